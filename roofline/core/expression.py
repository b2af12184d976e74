"""Which integer arithmetic on symbols may workload files use? ``4 * hidden``, ``image // 2``.

Expressions are parsed once into a small tree, never passed to ``eval``. Allowed are names, integers, ``+ - * // %``,
unary minus, parentheses, and ``min``, ``max``, ``ceildiv``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from roofline.errors import UsageError

_MAX_LENGTH = 200
_LIMIT = 2**62

_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}
_CALLS: dict[str, Callable[[int, int], int]] = {
    "min": min,
    "max": max,
    "ceildiv": lambda a, b: -(-a // b),
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its text and the names it needs."""

    text: str
    names: frozenset[str]

    def evaluate(self, symbols: Mapping[str, int]) -> int:
        """The integer value with every name bound.

        Raises
        ------
        UsageError : an unbound name, a division by zero, a result beyond 2**62.
        """
        return _evaluate(_tree(self.text), symbols, self.text)


@lru_cache(maxsize=10_000)
def _tree(text: str) -> ast.AST:
    return ast.parse(text, mode="eval").body


def parse_expression(text: str | int) -> Expression:
    """Check ``text`` and name its symbols; raises :class:`UsageError` on anything but arithmetic."""
    source = str(text).strip()
    if isinstance(text, bool) or len(source) > _MAX_LENGTH:
        raise UsageError(f"{source[:40]!r} is not integer arithmetic")
    try:
        body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"{source!r} is not integer arithmetic; write for example '4 * hidden'") from None
    names: set[str] = set()
    _check(body, names, source)
    return Expression(source, frozenset(names))


def _check(node: ast.AST, names: set[str], source: str) -> None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return
    if isinstance(node, ast.Name):
        names.add(node.id)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check(node.operand, names, source)
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        _check(node.left, names, source)
        _check(node.right, names, source)
    elif isinstance(node, ast.Call) and _is_known_call(node):
        for argument in node.args:
            _check(argument, names, source)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        raise UsageError(f"{source!r}: sizes are whole numbers; write // instead of /")
    else:
        raise UsageError(f"{source!r}: only names, integers, + - * // %, min, max and ceildiv are understood")


def _is_known_call(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in _CALLS and len(node.args) == 2 and not node.keywords


def _evaluate(node: ast.AST, symbols: Mapping[str, int], source: str) -> int:
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return _bounded(node.value, source)
    if isinstance(node, ast.Name):
        if node.id not in symbols:
            raise UsageError(f"{source!r}: symbol {node.id!r} has no value; bind it with --bind {node.id}=N")
        return symbols[node.id]
    if isinstance(node, ast.UnaryOp):
        return -_evaluate(node.operand, symbols, source)
    if isinstance(node, ast.BinOp):
        left, right = (_evaluate(side, symbols, source) for side in (node.left, node.right))
        function = _BINARY[type(node.op)]
    else:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        left, right = (_evaluate(argument, symbols, source) for argument in node.args)
        function = _CALLS[node.func.id]
    try:
        return _bounded(function(left, right), source)
    except ZeroDivisionError:
        raise UsageError(f"{source!r} divides by zero") from None


def _bounded(value: int, source: str) -> int:
    if abs(value) > _LIMIT:
        raise UsageError(f"{source!r} is larger than 2**62")
    return value
