"""The modules that are run do what the files say that are predicted from."""

import subprocess
import sys
from pathlib import Path

import pytest

from roofline.campaign.networks import build
from roofline.core.attention import square
from roofline.errors import MissingExtra, UnknownName, UsageError
from roofline.measurements.plan import MEASURED

ROOT = Path(__file__).parents[2]
SMALL = {"image": 64, "batch": 2}


class Net:
    """A network built once, with the workload of its file at the same sizes."""

    def __init__(self, name: str) -> None:
        from roofline.lowering import build as workload_of
        from roofline.specs.netfile import load_network

        self.symbols = {symbol: SMALL.get(symbol, size) for symbol, size in MEASURED[name].items()}
        self.module, self.inputs = build(name, self.symbols)
        self.workload = workload_of(load_network(ROOT / "workloads" / f"{name}.yaml"), self.symbols)


@pytest.fixture(scope="module", params=sorted(MEASURED))
def net(request: pytest.FixtureRequest) -> Net:
    pytest.importorskip("torch")
    return Net(request.param)


def test_importing_it_loads_no_torch() -> None:
    code = "import sys, roofline.campaign.networks, roofline.campaign.timer_cuda, roofline.campaign.environment"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], cwd=ROOT, check=True)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"roofline\[torch\]"):
        build("mlp")


def test_names_and_sizes_are_checked() -> None:
    with pytest.raises(UnknownName, match="did you mean resnet50"):
        build("resnet-50")
    with pytest.raises(UnknownName, match="did you mean image"):
        build("resnet50", {"images": 3})
    with pytest.raises(UsageError, match="batch is 0"):
        build("mlp", {"batch": 0})
    with pytest.raises(UsageError, match="512 positions"):
        build("bert-base", {"seq": 513})
    pytest.importorskip("torch")
    with pytest.raises(UnknownName, match="dtype"):
        build("mlp", dtype="int8")


def test_every_network_has_its_file_and_its_symbols() -> None:
    from roofline.specs.netfile import load_network

    for name, sizes in MEASURED.items():
        network = load_network(ROOT / "workloads" / f"{name}.yaml")
        assert sizes.keys() <= network.bind({}).keys()


def test_it_runs_and_its_numbers_stay_normal(net: Net) -> None:
    torch = pytest.importorskip("torch")
    spreads: dict[str, float] = {}

    def note(label: str) -> object:
        return lambda _module, _inputs, output: spreads.__setitem__(label, output.std().item())

    leaves = [(label, part) for label, part in net.module.named_modules() if not list(part.children())]
    hooks = [part.register_forward_hook(note(label)) for label, part in leaves]
    with torch.inference_mode():
        output = net.module(*net.inputs)
    for hook in hooks:
        hook.remove()
    assert output.isfinite().all()
    # far from what is too small to be normal in fp32 (slow on a CPU) or too large for fp16
    assert all(1e-3 < spread < 1e3 for spread in spreads.values()), spreads


def test_module_and_file_mean_the_same_operators(net: Net) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from roofline.lowering import lower

    assert sum(weight.numel() for weight in net.module.parameters()) == net.workload.parameters
    assert [tuple(value.shape) for value in net.inputs] == [
        net.workload.tensors[source].shape for source in net.workload.inputs
    ]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), counter:
        output = net.module(*net.inputs)
    assert tuple(output.shape) == net.workload.tensors[net.workload.outputs[0]].shape
    schedule = lower(net.workload)
    products = (schedule.flops * square(schedule))[schedule.kind == 0].sum()  # the counter takes no notice of a mask
    assert counter.get_total_flops() == pytest.approx(products, rel=0.01)


def test_module_and_file_run_the_same_operators_in_the_same_order(net: Net) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            tanh = (kwargs or {}).get("approximate") == "tanh"
            self.seen.append(_kind(str(function)) + ("_tanh" if tanh else ""))
            return function(*args, **(kwargs or {}))

    recorder = Recorder()
    with torch.no_grad(), recorder:
        net.module(*net.inputs)
    ran = [kind for kind in recorder.seen if kind]
    written = [
        node.op + ("_" if node.attributes.get("inplace") else "")
        for node in net.workload.nodes
        if node.op not in ("view", "transpose", "slice", "dropout")  # dropout: idle in inference
    ]
    assert ran == written


# what torch does without touching an element
_VIEWS = ("view", "_unsafe_view", "transpose", "t", "slice", "split", "detach", "empty")

_KINDS = {
    "addmm": "linear",
    "mm": "linear",
    "convolution": "conv2d",
    "native_batch_norm": "batch_norm",
    "native_layer_norm": "layer_norm",
    "max_pool2d_with_indices": "max_pool2d",
    "mean": "global_avg_pool",
    "_scaled_dot_product_flash_attention_for_cpu": "attention",
    "hardtanh_": "relu6_",
}


def _kind(aten: str) -> str:
    """The operator of a workload file for one of torch's; empty for views."""
    name = aten.removeprefix("aten.").split(".")[0]
    return "" if name in _VIEWS else _KINDS.get(name, name)
