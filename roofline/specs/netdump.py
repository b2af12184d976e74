"""How is a network written to a file? :class:`~roofline.core.network.Network` -> the YAML that
:mod:`.netfile` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json import dumps

from roofline.core.expression import Expression
from roofline.core.network import Layer, Network, Term

WIDTH = 118


def dump_network(network: Network, comments: Iterable[str] = ()) -> str:
    """The file of a network; ``comments`` come first, one a line."""
    lines = [f"# {comment}".rstrip() for comment in comments]
    lines += [f"title: {_text(network.title)}", f"source: {_text(network.source)}"]
    if network.symbols:
        lines.append(f"symbols: {{{', '.join(f'{name}: {_expression(e)}' for name, e in network.symbols.items())}}}")
    lines.append("inputs:")
    for source in network.inputs:
        shape = f"[{', '.join(map(_expression, source.shape))}]"
        given = f"{{shape: {shape}, dtype: {source.dtype}}}" if source.dtype else shape
        lines.append(f"  {_key(source.name)}: {given}")
    if network.blocks:
        lines.append("blocks:")
        for block in network.blocks.values():
            lines.append(f"  {block.name}:")
            if block.parameters:
                listed = (
                    f"{name}: {'required' if value is None else _expression(value)}"
                    for name, value in block.parameters.items()
                )
                lines.append(f"    parameters: {{{', '.join(listed)}}}")
            lines.append("    layers:")
            lines += [f"      - {_layer(layer)}" for layer in block.layers]
    lines.append("layers:")
    lines += [f"  - {_layer(layer)}" for layer in network.layers]
    if network.outputs:
        lines.append(f"outputs: [{', '.join(map(_key, network.outputs))}]")
    return "\n".join(lines) + "\n"


def _layer(layer: Layer) -> str:
    fields: dict[str, str] = {"op": layer.op} if layer.op else {"block": layer.block}
    if layer.inputs:
        names = [_key(name) for name in layer.inputs]
        fields["from"] = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    if layer.repeat is not None:
        fields["repeat"] = _expression(layer.repeat)
    fields |= _terms(layer.terms)
    if layer.first:
        fields["first"] = f"{{{', '.join(f'{key}: {value}' for key, value in _terms(layer.first).items())}}}"
    if layer.when is not None:
        fields["when"] = _expression(layer.when)
    if layer.tied:
        fields["tied"] = _key(layer.tied)
    if list(fields) == ["op"]:
        return f"{_key(layer.name)}: {layer.op}"
    return f"{_key(layer.name)}: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}"


def _terms(terms: Mapping[str, Term]) -> dict[str, str]:
    return {key: _term(term) for key, term in terms.items()}


def _term(term: Term) -> str:
    if isinstance(term, bool):
        return "true" if term else "false"
    if isinstance(term, tuple):
        return f"[{', '.join(map(_expression, term))}]"
    return _expression(term)


def _expression(expression: Expression) -> str:
    return expression.text


def _key(name: str) -> str:
    """A name, quoted where YAML would read another type."""
    plain = name.replace("_", "a").replace(".", "a").replace("-", "a").isalnum() and name[0].isalpha()
    return name if plain and name not in ("true", "false", "null", "True", "False") else dumps(name)


def _text(text: str) -> str:
    return dumps(text, ensure_ascii=False)
