"""Of 300 models of other libraries, how many trace, and is their matrix work that of PyTorch's counter?

Needs timm, torchvision, transformers, diffusers and segmentation-models-pytorch (those installed are tried):

    python studies/foreign_models.py [--only PATTERN] [--part I/N] [--once] [--quick]

The models are those of ``foreign_models.txt``: one line each, ``library model inputs...``. Each is built without
weights and traced in both modes. Its matrix work (GEMM, convolutions, attention) is compared with
``torch.utils.flop_counter`` over the same model, without values, forward and in a training step. Prints a line for
each model and a summary; a model that the counter itself does not finish is ``unknown``. ``--once`` traces at the given
sizes alone, without finding symbols, which takes a quarter of the time; ``--quick`` takes two models.
"""

# torch and the libraries have no types here
# mypy: disable-error-code="misc"

from __future__ import annotations

import contextlib
import fnmatch
import io
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from roofline.core.run import Recipe
from roofline.core.schedule import KINDS, PHASES, Schedule
from roofline.core.stack import Stack
from roofline.frontends.inputs import parse_input
from roofline.frontends.pytorch.assemble import assemble
from roofline.frontends.pytorch.models import module_of
from roofline.frontends.pytorch.symbols import Settled
from roofline.frontends.pytorch.tracing import Traced, _Runs, trace
from roofline.lowering import build, lower, lower_training, training_step

LIST = Path(__file__).with_suffix(".txt")
LIMIT_S = 150
"""Longest time of one model [s]."""
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
    "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
    "SymInt offset_groups, bool use_mask) -> Tensor",
)
"""Operators of torchvision, for an installation whose library does not load beside this PyTorch."""


def _torchvision() -> Any:
    """Import torchvision; without its library only the shapes of its operators are known."""
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    try:
        return import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    real = torch.library.register_fake, torch.library.register_autograd

    def tolerant(register: Any) -> Any:
        def registered(*args: Any, **kwargs: Any) -> Any:
            def decorate(function: Any) -> Any:
                with contextlib.suppress(RuntimeError, ValueError):
                    register(*args, **kwargs)(function)
                return function

            if len(args) > 1 or "torchvision::" not in str(args[0]):
                with contextlib.suppress(RuntimeError, ValueError):
                    return register(*args, **kwargs)
                return None
            return decorate

        return registered

    torch.library.register_fake, torch.library.register_autograd = tolerant(real[0]), tolerant(real[1])
    try:
        module = import_module("torchvision")
    finally:
        torch.library.register_fake, torch.library.register_autograd = real
    library.impl(
        "roi_align", lambda x, rois, _, high, wide, *__: x.new_empty((rois.shape[0], x.shape[1], high, wide)), "Meta"
    )
    module._kept = library
    module.extension._has_ops = lambda: True
    return module


def make(library: str, name: str) -> Any:
    """The model, without weights."""
    with contextlib.suppress(ImportError):
        _torchvision()  # which the others import where it is there
    if library == "timm":
        return import_module("timm").create_model(name)
    if library == "torchvision":
        import_module("torchvision.models")
        options = {"weights": None} | ({"weights_backbone": None} if "_" in name and _has_backbone(name) else {})
        if name in ("googlenet", "inception_v3"):
            options["init_weights"] = False
        return import_module("torchvision.models").get_model(name, **options)
    if library == "transformers":
        return _transformer(name)
    if library == "diffusers":
        return getattr(import_module("diffusers"), name)()
    architecture, _, encoder = name.partition("/")
    return getattr(import_module("segmentation_models_pytorch"), architecture)(encoder, encoder_weights=None)


def _has_backbone(name: str) -> bool:
    return any(word in name for word in ("rcnn", "retinanet", "fcos", "ssd", "deeplab", "fcn_", "lraspp"))


SMALL = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_decoder_layers", "num_encoder_layers", "decoder_num_layers"), 2),
}


def _config(kind: str) -> Any:
    """The default configuration of a type, with two layers."""
    config = import_module("transformers").AutoConfig.for_model(kind)
    for part in (config, *(value for value in vars(config).values() if hasattr(value, "to_dict"))):
        for key, value in SMALL.items():
            if isinstance(getattr(part, key, None), int) and getattr(part, key) > value:
                with contextlib.suppress(Exception):
                    setattr(part, key, value)
        if isinstance(getattr(part, "layer_types", None), list):
            with contextlib.suppress(AttributeError):
                part.layer_types = part.layer_types[:2]
    return config


def _transformer(kind: str) -> Any:
    return import_module("transformers").AutoModel.from_config(_config(kind))


class TooLong(Exception):
    pass


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLong(f"longer than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def matrix_flops(schedule: Schedule) -> float:
    """Fused attention computes its scores again on the way back; the counter sees four GEMMs alone."""
    flops = schedule.all_flops.copy()
    flops[schedule.in_family("attention") & (schedule.phase == PHASES.index("backward"))] *= 4 / 5
    return float(flops[schedule.kind == KINDS.index("matmul")].sum())


def counted(model: Any, inputs: list[str], training: bool) -> float:
    """FLOP of PyTorch's counter, on the meta device."""
    positional, keywords = [], {}
    for one in map(parse_input, inputs):
        kind = torch.int64 if one.dtype == "int64" else torch.bool if one.dtype == "bool" else torch.float32
        tensor = torch.empty(one.shape, dtype=kind, device="meta")
        if one.name:
            keywords[one.name] = tensor
        else:
            positional.append(tensor)
    model.train(training)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _convolved_back})
    torch.compiler._is_compiling_flag = torch.compiler._is_exporting_flag = True
    try:
        with counter, torch.device("meta"), torch.set_grad_enabled(training):
            out = model(*positional, **keywords)
            if training:
                _loss(out).backward()
    finally:
        torch.compiler._is_compiling_flag = torch.compiler._is_exporting_flag = False
    return float(counter.get_total_flops())


def _convolved_back(
    dy: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, extra: Any,
    groups: int, needed: list[bool], *, out_shape: Any = None, **_: Any,
) -> int:  # fmt: skip
    """Each gradient has the work of the forward convolution; PyTorch's own rule counts groups as if there were none."""
    pixels = x if transposed else dy
    work = 2 * int(torch.Size(pixels).numel()) * int(torch.Size(weight[1:]).numel())
    return work * sum(needed[:2])


def _loss(out: Any) -> Any:
    """The result that a training step of roofline starts from: a scalar, or the first that is a float."""
    found = [t for t in _tensors(out) if t.is_floating_point()]
    return next((t for t in found if t.dim() == 0), found[0]).sum()


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "__dict__"):
        yield from _tensors(vars(value))


def traced(model: Any, inputs: list[str], mode: str, proposals: int, once: bool) -> Traced:
    """The trace of a model; ``once``: at the given sizes alone."""
    if not once:
        return trace(model, inputs, mode=mode, proposals=proposals)
    runs = _Runs(model, [parse_input(one) for one in inputs], training=mode == "training", proposals=proposals)
    network = assemble("model", "model", "traced once", Settled([{}], [runs.at({})], {}), {})
    return Traced(network, tuple(runs.notes), tuple(runs.uncovered))


def answer(library: str, name: str, inputs: list[str], once: bool) -> tuple[bool, str]:
    """Whether a model traces in both modes, and how its matrix work compares."""
    proposals = 100 if library == "torchvision" and any(w in name for w in ("rcnn", "retina", "fcos", "ssd")) else 0
    said, right = [], True
    for mode in ("inference",) if proposals else ("inference", "training"):
        model = module_of(lambda: make(library, name), name)
        found = traced(model, inputs, mode, proposals, once)
        work = build(found.network)
        if mode == "inference":
            ours = matrix_flops(lower(work))
            fixed = [note.partition(" is fixed")[0] for note in found.notes if " is fixed at " in note]
            said += [f"fixed {','.join(fixed)}"] if fixed else []
        else:
            ours = matrix_flops(lower_training(training_step(work, Recipe("none"), Stack(), cuda=True)))
        said += [f"uncovered {', '.join(sorted({kind for kind, _ in found.uncovered}))}"] if found.uncovered else []
        said += [note for note in found.notes if "gradients may be missing" in note]
        try:
            theirs = counted(model.to("meta"), inputs, mode == "training")
        except TooLong:
            raise
        except Exception as error:
            said.append(f"{mode} {ours:.4g}, not counted ({type(error).__name__}: {str(error)[:60]})")
            right = False
            continue
        ratio = ours / theirs if theirs else 1.0 if not ours else float("inf")
        right = right and abs(ratio - 1) <= 1e-3
        said.append(f"{mode} {ours:.4g} FLOP, {ratio:.4f} of the counter")
    return right, "; ".join(said)


def main(words: list[str]) -> int:
    here = Path(__file__).resolve().parent  # whose transformers.py is no library
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != here]
    rows = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    if "--only" in words:
        pattern = words[words.index("--only") + 1]
        rows = [row for row in rows if fnmatch.fnmatch(" ".join(row[:2]), f"*{pattern}*")]
    if "--part" in words:
        first, step = map(int, words[words.index("--part") + 1].split("/"))
        rows = rows[first::step]
    if "--quick" in words:
        rows = rows[:2]
    count = agree = 0
    warnings.simplefilter("ignore")
    for library, name, *inputs in rows:
        start = time.perf_counter()
        try:
            with limited(LIMIT_S), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                right, said = answer(library, name, inputs, "--once" in words)
        except ImportError as error:
            print(f"absent   {library} {name}: {error}", flush=True)
            continue
        except Exception as error:
            print(
                f"refused  {library} {name}: {type(error).__name__}: {' '.join(str(error).split())[:400]}", flush=True
            )
            continue
        count, agree = count + 1, agree + right
        took = time.perf_counter() - start
        told = "agrees" if right else "unknown" if "not counted" in said else "differs"
        print(f"{told:8} {library} {name}: {said}; {took:.0f} s", flush=True)
    print(f"{count} of {len(rows)} trace in both modes; the matrix work of {agree} is that of the counter within 0.1 %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
