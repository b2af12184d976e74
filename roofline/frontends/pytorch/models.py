"""How is a user's model found? ``package.module:factory`` -> a PyTorch module on the meta device; what can go wrong."""

# mypy: disable-error-code="misc"

from __future__ import annotations

import copy
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from roofline.errors import UnknownName, UsageError

OWN = (os.path.dirname(torch.__file__), str(Path(__file__).resolve().parent))
"""Folders whose frames are not the model's own code."""


def find(path: str) -> Any:
    """The object that ``package.module:name`` (or ``file.py:name``) names. Importing it runs its code in this process.

    Raises
    ------
    UsageError : an invalid path, no such module, or an error when it is imported.
    UnknownName : the module has nothing of that name.
    """
    where, _, name = path.rpartition(":")
    if not where or not name:
        raise UsageError(f"{path!r} does not name a model; write package.module:factory or file.py:factory")
    try:
        found: Any = _file(Path(where)) if where.endswith(".py") else _module(where)
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        if error.name and where.startswith(error.name):
            raise UsageError(
                f"no module named {error.name!r}; run where it can be imported, or set PYTHONPATH"
            ) from None
        raise UsageError(f"importing {where} needs {error.name}, which is not installed") from error
    except Exception as error:
        raise UsageError(f"importing {where} failed: {said(error)}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            public = [key for key in vars(found) if not key.startswith("_")] if hasattr(found, "__dict__") else []
            raise UnknownName(f"factory in {where}", name, public)
        found = getattr(found, part)
    return found


def _module(name: str) -> Any:
    """A module by its name, also from the current folder."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return import_module(name)


def _file(file: Path) -> Any:
    """A module by its file, whatever else has that name; it may import files beside it."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = spec_from_file_location(f"traced_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is not a Python file")
    made = module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def module_of(model: Any, what: str) -> Any:
    """A module from a module, its class, or a function that makes one; made on the meta device.

    Raises
    ------
    UsageError : the factory raises, or returns something else.
    """
    made = model
    if not isinstance(model, torch.nn.Module):
        if isinstance(model, dict):
            raise UsageError(
                f"{what} is a dictionary ({_weights(model)}): weights without a model; give the class of the model"
            )
        if not callable(model):
            raise UsageError(f"{what} is {_kind(model)}, neither a model nor a function that returns one")
        made = _made(model, what)
    for wrapped in ("_orig_mod", "module"):  # compiled, or distributed over devices
        if type(made).__name__ in ("OptimizedModule", "DataParallel", "DistributedDataParallel"):
            made = getattr(made, wrapped, made)
    if isinstance(made, torch.jit.ScriptModule):
        raise UsageError(f"{what} is a TorchScript module, which has no Python code; give the module it was made from")
    if not isinstance(made, torch.nn.Module):
        kind = f"a dictionary ({_weights(made)})" if isinstance(made, dict) else _kind(made)
        raise UsageError(f"{what} returns {kind}, not a torch.nn.Module; return the model itself")
    return made


def is_lazy(module: Any) -> bool:
    """Whether parameters or buffers have no shape before the first call."""
    return any(torch.nn.parameter.is_lazy(one) for one in (*module.parameters(), *module.buffers()))


def without_values(module: Any) -> Any:
    """A copy on the meta device; lazy parameters stay lazy, which ``to`` would not do."""
    made = copy.deepcopy(module)
    for part in made.modules():
        for held in (part._parameters, part._buffers):
            for name, one in held.items():
                if one is None or one.device.type == "meta":
                    continue
                if torch.nn.parameter.is_lazy(one):
                    held[name] = type(one)(one.requires_grad, device="meta", dtype=one.dtype)
                elif isinstance(one, torch.nn.Parameter):
                    held[name] = torch.nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad)
                else:
                    held[name] = torch.empty_like(one, device="meta")
    return made


def _kind(value: Any) -> str:
    """``an int``, ``a Tensor``."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


class Undrawn(TorchFunctionMode):
    """Weights are not initialised, since they have no memory."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init" or getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else next(iter((kwargs or {}).values()))
        return func(*args, **(kwargs or {}))


_DRAWS = frozenset(
    ["normal_", "uniform_", "trunc_normal_", "fill_", "zero_", "copy_", "exponential_", "bernoulli_", "random_"]
)


def _made(factory: Callable[[], Any], what: str) -> Any:
    """On the meta device, where nothing is allocated; really allocated only if building reads values."""
    try:
        with torch.device("meta"), Undrawn():
            return factory()
    except Exception as error:
        first = error
    if not _reads_numbers(first):
        raise UsageError(f"{what} failed: {said(first)}{_way_out(first)}") from first
    try:
        return factory()
    except Exception as error:
        raise UsageError(f"{what} failed: {said(error)}{_way_out(error)}") from error


def _reads_numbers(error: BaseException) -> bool:
    text = str(error)
    return "meta tensor" in text or "Meta tensor" in text or "no data" in text


def _way_out(error: BaseException) -> str:
    text = str(error)
    if "CUDA" in text or "cuda" in text or "NVIDIA" in text:
        return "; build the model without moving it to a GPU; tracing needs none"
    if isinstance(error, TypeError) and "required positional argument" in text:
        return "; give a function without arguments, such as lambda: Model(width=64)"
    return ""


def _weights(state: Any) -> str:
    names = [str(key) for key in list(state)[:2]]
    return ", ".join(names) + ("..." if len(state) > 2 else "") if names else "empty"


def said(error: BaseException) -> str:
    """An error as one line, with its place in the model's own code."""
    text = (str(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    place = where(error)
    return f"{name}: {text}{f' ({place})' if place else ''}" if text else f"{name}{f' ({place})' if place else ''}"


def where(error: BaseException) -> str:
    """``net.py:17 in forward``: the last frame that is neither PyTorch's nor this program's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(OWN) and os.path.isfile(frame.filename)]
    if not own:
        return ""
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno} in {own[-1].name}"
