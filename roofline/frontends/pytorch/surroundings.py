"""What is different in PyTorch while it runs a model that is traced? Everything is restored afterwards."""

# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from roofline.frontends.pytorch.ledger import Scope
from roofline.frontends.pytorch.recorder import Recorder


@contextmanager
def paths(module: Any, recorder: Recorder) -> Iterator[None]:
    """Tell the recorder which module is running."""
    names = {id(part): name for name, part in reversed(list(module.named_modules()))}

    def enter(part: Any, args: Any) -> None:
        above = recorder.scopes[-1].path
        path = names.get(id(part))
        if path is None:
            path = f"{above}.{type(part).__name__}".strip(".")
        recorder.scopes.append(Scope(path, leaf=next(part.children(), None) is None))
        recorder.graph.path = path

    def leave(part: Any, args: Any, out: Any) -> None:
        recorder.scopes.pop()
        recorder.graph.path = recorder.scopes[-1].path

    hooks = [
        torch_module.register_module_forward_pre_hook(enter),
        torch_module.register_module_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def own_functions(found: set[str]) -> Iterator[None]:
    """Detect functions with custom gradients; restore the original state afterwards."""
    apply = torch.autograd.Function.__dict__["apply"]

    def noticed(cls: Any, *args: Any, **kwargs: Any) -> Any:
        found.add(cls.__name__)
        return apply.__func__(cls, *args, **kwargs)

    torch.autograd.Function.apply = classmethod(noticed)
    try:
        yield
    finally:
        torch.autograd.Function.apply = apply


@contextmanager
def fast_path_off() -> Iterator[None]:
    """Transformer layers in one opaque call would hide their operations."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)


@contextmanager
def as_for_export(on: bool) -> Iterator[None]:
    """Libraries are told that the model is exported, and leave out what looks at values (masks full of ones)."""
    was = torch.compiler._is_compiling_flag, torch.compiler._is_exporting_flag
    torch.compiler._is_compiling_flag = torch.compiler._is_exporting_flag = on or was[0]
    try:
        yield
    finally:
        torch.compiler._is_compiling_flag, torch.compiler._is_exporting_flag = was
