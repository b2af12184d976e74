"""The CUDA timer, driven by a simulated device: a clock, a queue and an L2 that can be cold."""

import math
from collections.abc import Callable

import pytest
from simulated_gpu import FellOffError, FullError, Gpu, after

from roofline.campaign.device_cuda import TorchDevice
from roofline.campaign.dispatch import LAUNCHES, host_dispatch, measure_launches
from roofline.campaign.timer_cuda import OutOfMemory, empty_interval, time_cuda
from roofline.errors import DataError, RooflineError, Unsupported, UsageError

KERNEL_S = 1e-5


def one_kernel(gpu: Gpu, seconds: float = KERNEL_S, cold: float = 4.0) -> Callable[[], object]:
    return after(gpu)(lambda: None, seconds, cold)


def test_a_replay_holds_the_kernels_and_not_the_host() -> None:
    gpu = Gpu(dispatch_s=1e-3)  # a host so slow that eager kernels lie a millisecond apart
    kernel = one_kernel(gpu)

    def call() -> None:
        for _ in range(5):
            kernel()

    timed = time_cuda(call, gpu, samples=7)
    assert (timed.how, timed.why) == ("graph", "")
    graph = 3 * gpu.gap_s + 5 * (4 * KERNEL_S + gpu.gap_s / 2) + gpu.stamp_s
    assert timed.seconds == pytest.approx([graph] * 7)
    assert gpu.flushes >= 7
    eager = time_cuda(call, gpu, samples=3, graph=False)
    assert eager.how == "events"
    assert min(eager.seconds) > 2e-3


@pytest.mark.parametrize("dispatch_s", [1e-6, 2e-5, 1e-4])
def test_the_host_hands_a_call_over_while_the_device_flushes(dispatch_s: float) -> None:
    gpu = Gpu(dispatch_s=dispatch_s)
    timed = time_cuda(one_kernel(gpu), gpu, samples=2, graph=False)
    assert timed.seconds == pytest.approx([gpu.gap_s + 4 * KERNEL_S + gpu.stamp_s] * 2)


def test_what_cannot_be_recorded_is_timed_by_events_and_says_why() -> None:
    gpu = Gpu()
    kernel = one_kernel(gpu)

    def call() -> None:
        kernel()
        if gpu._recording is not None:
            gpu.synchronize()  # such as .item()

    timed = time_cuda(call, gpu, samples=4)
    assert timed.how == "events"
    assert timed.why == "CUDA error: operation not permitted when stream is capturing"
    assert timed.seconds == pytest.approx([4 * KERNEL_S + gpu.gap_s + gpu.stamp_s] * 4)


def test_warm_samples_repeat_the_call_until_the_clock_can_resolve_it() -> None:
    gpu = Gpu(dispatch_s=1e-7)
    timed = time_cuda(one_kernel(gpu, 1e-6), gpu, samples=5, flush=False, graph=False)
    assert gpu.flushes == 0
    # one pair of time stamps is spread over all repeats
    assert timed.seconds == pytest.approx([1e-6 + gpu.gap_s] * 5, rel=0.01)


def test_a_replay_that_is_shorter_than_the_eager_call_is_repeated_by_its_own_length() -> None:
    gpu = Gpu(dispatch_s=1e-3)
    timed = time_cuda(one_kernel(gpu, 2e-3), gpu, samples=2, flush=False)
    assert timed.seconds == pytest.approx([2e-3] * 2, rel=0.01)


def test_a_long_call_takes_few_samples() -> None:
    gpu = Gpu()
    assert len(time_cuda(one_kernel(gpu, 0.5, 1.0), gpu, samples=10, within_s=0.1).seconds) == 3
    assert len(time_cuda(one_kernel(gpu, 0.02, 1.0), gpu, samples=10, within_s=0.1).seconds) in (4, 5)
    assert len(time_cuda(one_kernel(gpu, 1e-5), gpu, samples=10, within_s=0.1).seconds) == 10


def test_slow_first_calls_are_not_measured() -> None:
    gpu, calls = Gpu(), []

    def call() -> None:
        calls.append(1)
        gpu.launch(10 * KERNEL_S if len(calls) <= 3 else KERNEL_S)

    assert max(time_cuda(call, gpu, samples=4).seconds) < 2 * KERNEL_S + 4 * gpu.gap_s


@pytest.mark.parametrize("call_s", [1e-6, 1e-4, 1e-2])
def test_warming_up_takes_its_time_in_few_waits(call_s: float) -> None:
    gpu = Gpu(dispatch_s=1e-7)
    begin = gpu.busy_until_s
    time_cuda(one_kernel(gpu, call_s, 1.0), gpu, samples=1, warm_up_s=0.02)
    assert gpu.busy_until_s - begin > 0.02
    assert gpu.waits < 25


def test_a_call_that_takes_no_time_ends() -> None:
    gpu = Gpu()
    assert time_cuda(lambda: None, gpu, samples=2, graph=False).seconds == pytest.approx([gpu.stamp_s] * 2)


def test_the_interval_of_nothing_can_be_recorded() -> None:
    assert empty_interval(Gpu(stamp_s=2e-6)) == pytest.approx(2e-6)


def test_clocks_are_looked_at_while_the_device_works() -> None:
    gpu, busy = Gpu(), []
    time_cuda(one_kernel(gpu), gpu, samples=6, watch=lambda: busy.append(gpu.busy_until_s > gpu.host_s))
    assert busy == [True] * 6


def test_memory_that_is_full_is_a_skip_of_its_own_kind() -> None:
    gpu = Gpu()

    def call() -> None:
        raise FullError("tried to allocate 90 GiB\nmany lines of advice")

    with pytest.raises(OutOfMemory, match=r"out of memory on the device: tried to allocate 90 GiB$") as caught:
        time_cuda(call, gpu)
    assert isinstance(caught.value, Unsupported)
    assert gpu.released == 1
    assert caught.value.__context__ is None, "its trace would keep the operands alive"
    # and the device can be measured on
    assert time_cuda(one_kernel(gpu), gpu, samples=1).seconds


@pytest.mark.parametrize("when", ["recording", "measuring"])
def test_memory_that_fills_up_only_later_is_a_skip_too(when: str) -> None:
    gpu = Gpu()

    def call() -> None:
        gpu.launch(KERNEL_S)
        if (gpu._recording is not None) if when == "recording" else gpu.flushes:
            raise FullError

    with pytest.raises(OutOfMemory):
        time_cuda(call, gpu, graph=when == "recording")


def test_a_device_that_falls_off_while_recording_is_no_reason_to_try_events() -> None:
    gpu = Gpu()

    def call() -> None:
        gpu.lost = gpu._recording is not None
        gpu.launch(KERNEL_S)

    with pytest.raises(FellOffError):
        time_cuda(call, gpu)


def test_other_errors_pass_unchanged() -> None:
    def call() -> None:
        raise ValueError("shapes do not fit")

    gpu = Gpu()
    with pytest.raises(ValueError, match="shapes do not fit"):
        time_cuda(call, gpu)
    assert gpu.released == 0


@pytest.mark.parametrize("wrong", [lambda s: -s, lambda s: 0.0, lambda s: math.nan, lambda s: math.inf])
def test_a_clock_that_errs_is_not_believed(wrong: Callable[[float], float]) -> None:
    class Broken(Gpu):
        def seconds_between(self, start: float, stop: float) -> float:
            return wrong(super().seconds_between(start, stop))

    gpu = Broken()
    with pytest.raises(DataError, match="clock of the device"):
        time_cuda(one_kernel(gpu), gpu)


def test_no_samples_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="samples"):
        time_cuda(lambda: None, Gpu(), samples=0)


# Handing over ----------------------------------------------------------------------------------------------------


def test_the_host_and_the_gaps_are_told_apart() -> None:
    gpu = Gpu(dispatch_s=7e-6)
    found = measure_launches(one_kernel(gpu, 1e-6, 1.0), gpu)
    assert found.host_s == pytest.approx(7e-6)
    # the host is slower than the device: kernels lie as far apart as it hands them over
    assert found.eager_interval_s == pytest.approx(7e-6, rel=0.02)
    assert found.graph_interval_s == pytest.approx(1e-6 + gpu.gap_s / 2, rel=0.05)
    assert found.replay_interval_s == pytest.approx(max(gpu.dispatch_s, 3.5 * gpu.gap_s + 1e-6), rel=0.05)
    assert found.stamps_s == pytest.approx(gpu.stamp_s)
    fast = measure_launches(one_kernel(slow := Gpu(dispatch_s=1e-7), 1e-6, 1.0), slow)
    assert fast.eager_interval_s == pytest.approx(1e-6 + slow.gap_s, rel=0.02)
    assert LAUNCHES < 1024


def test_without_graphs_the_host_is_known_all_the_same() -> None:
    class Old(Gpu):
        def capture(self, function: Callable[[], object]) -> Callable[[], object]:
            raise RuntimeError("CUDA graphs need CUDA 11")

    gpu = Old()
    told = measure_launches(one_kernel(gpu), gpu).to_dict()
    assert told["why"] == "CUDA graphs need CUDA 11"
    assert "graph_interval_s" not in told


def test_the_model_takes_the_median_of_what_samples_tell() -> None:
    samples = [{"launches": {"host_s": s}} for s in (5e-6, 9e-6, 6e-6)]
    assert host_dispatch([*samples, {"seconds": 1.0}]) == 6e-6
    assert host_dispatch([{"seconds": 1.0}]) is None


# The real one ----------------------------------------------------------------------------------------------------


def test_without_a_gpu_the_user_is_told() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RooflineError, match="no CUDA device"):
        TorchDevice()


def test_on_a_real_device() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    device = TorchDevice()
    a = torch.randn(2048, 2048, device="cuda")
    for graph, how in ((True, "graph"), (False, "events")):
        timed = time_cuda(lambda: a @ a, device, samples=10, graph=graph)
        assert timed.how == how, timed.why
        assert len(timed.seconds) == 10
        assert all(1e-5 < sample < 1e-1 for sample in timed.seconds)
    waiting = time_cuda(lambda: (a @ a)[0, 0].item(), device, samples=3)
    assert waiting.how == "events"
    assert waiting.why
    assert device.is_alive()
    assert time_cuda(lambda: a @ a, device, samples=3).how == "graph", "one that failed must not spoil the next"
    assert 0 <= empty_interval(device) < 1e-4
    launches = measure_launches(torch.ones(256, device="cuda").neg, device)
    assert 1e-6 < launches.host_s < 1e-3
    assert launches.graph_interval_s is not None
    assert launches.graph_interval_s < 2e-5
    with pytest.raises(OutOfMemory):
        time_cuda(lambda: torch.empty(1 << 50, device="cuda", dtype=torch.int8), device, samples=1)
