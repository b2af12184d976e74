"""The CUDA timer, driven by a simulated device: a clock, a queue and an L2 that can be cold."""

import math
from collections.abc import Callable

import pytest

from roofline.errors import DataError, RooflineError, Unsupported, UsageError
from roofline.measure.timer_cuda import OutOfMemory, TorchDevice, empty_interval, time_cuda


class FullError(Exception):
    """What the simulated device raises when its memory is full."""


class Simulated:
    """A device whose calls take ``cold_s`` after a flush and ``warm_s`` otherwise.

    The first ``slow_calls`` are ten times slower, as where libraries load. ``stamp_s`` passes between
    two time stamps by themselves.
    """

    def __init__(
        self, *, warm_s: float = 1e-5, cold_s: float = 4e-5, slow_calls: int = 2, stamp_s: float = 1e-6
    ) -> None:
        self.warm_s, self.cold_s, self.slow_calls, self.stamp_s = warm_s, cold_s, slow_calls, stamp_s
        self.now_s = 100.0
        self.calls = self.flushes = self.waits = self.released = 0
        self.cold = True
        self.waited = True

    def stamp(self) -> float:
        self.now_s += self.stamp_s
        self.waited = False
        return self.now_s

    def seconds_between(self, start: float, stop: float) -> float:
        assert self.waited, "the time stamps may not have been reached yet"
        return stop - start

    def synchronize(self) -> None:
        self.waits += 1
        self.waited = True

    def flush(self) -> None:
        self.flushes += 1
        self.now_s += 3e-5
        self.cold = True

    def is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, FullError)

    def release(self) -> None:
        self.released += 1

    def call(self) -> None:
        self.calls += 1
        factor = 10 if self.calls <= self.slow_calls else 1
        self.now_s += factor * (self.cold_s if self.cold else self.warm_s)
        self.cold = False


def test_cold_samples_hold_one_call_after_a_flush_and_nothing_is_subtracted() -> None:
    device = Simulated()
    samples = time_cuda(device.call, samples=7, device=device)
    assert samples == pytest.approx([device.cold_s + device.stamp_s] * 7)
    assert device.flushes == 7


def test_warm_samples_repeat_the_call_until_the_clock_can_resolve_it() -> None:
    device = Simulated(warm_s=1e-6)
    before = device.calls
    samples = time_cuda(device.call, samples=5, flush=False, device=device)
    assert device.flushes == 0
    assert device.calls - before > 5 * 100
    # one pair of time stamps is spread over all repeats
    assert samples == pytest.approx([device.warm_s] * 5, rel=0.01)


def test_a_long_call_is_not_repeated() -> None:
    device = Simulated(warm_s=0.5, cold_s=0.5, slow_calls=0)
    assert time_cuda(device.call, samples=2, flush=False, device=device) == pytest.approx([0.5] * 2, rel=1e-3)
    assert device.calls == 3 + 2


def test_slow_first_calls_are_not_measured() -> None:
    device = Simulated(slow_calls=3)
    assert max(time_cuda(device.call, samples=4, device=device)) < 2 * device.cold_s


@pytest.mark.parametrize("call_s", [1e-6, 1e-4, 1e-2])
def test_warming_up_takes_its_time_in_few_waits(call_s: float) -> None:
    device = Simulated(warm_s=call_s, cold_s=call_s, slow_calls=0)
    begin = device.now_s
    time_cuda(device.call, samples=1, warm_up_s=0.02, device=device)
    assert device.now_s - begin > 0.02
    assert device.waits < 25


def test_a_call_that_takes_no_time_ends() -> None:
    device = Simulated(warm_s=0.0, cold_s=0.0)
    assert time_cuda(device.call, samples=2, device=device) == pytest.approx([device.stamp_s] * 2)


def test_the_interval_of_nothing_can_be_recorded() -> None:
    assert empty_interval(Simulated(stamp_s=2e-6)) == pytest.approx(2e-6)


def test_memory_that_is_full_is_a_skip_of_its_own_kind() -> None:
    device = Simulated()

    def call() -> None:
        raise FullError("tried to allocate 90 GiB\nmany lines of advice")

    with pytest.raises(OutOfMemory, match=r"out of memory on the device: tried to allocate 90 GiB$") as caught:
        time_cuda(call, device=device)
    assert isinstance(caught.value, Unsupported)
    assert device.released == 1
    assert caught.value.__context__ is None, "its trace would keep the operands alive"
    # and the device can be measured on
    assert time_cuda(device.call, samples=1, device=device)


def test_memory_that_fills_up_only_later_is_a_skip_too() -> None:
    device = Simulated()

    def call() -> None:
        device.call()
        if device.flushes:
            raise FullError

    with pytest.raises(OutOfMemory):
        time_cuda(call, device=device)


def test_other_errors_pass_unchanged() -> None:
    def call() -> None:
        raise ValueError("shapes do not fit")

    device = Simulated()
    with pytest.raises(ValueError, match="shapes do not fit"):
        time_cuda(call, device=device)
    assert device.released == 0


@pytest.mark.parametrize("wrong", [lambda s: -s, lambda s: 0.0, lambda s: math.nan, lambda s: math.inf])
def test_a_clock_that_errs_is_not_believed(wrong: Callable[[float], float]) -> None:
    class Broken(Simulated):
        def seconds_between(self, start: float, stop: float) -> float:
            return wrong(super().seconds_between(start, stop))

    device = Broken()
    with pytest.raises(DataError, match="clock of the device"):
        time_cuda(device.call, device=device)


def test_no_samples_is_a_usage_error() -> None:
    device = Simulated()
    with pytest.raises(UsageError, match="samples"):
        time_cuda(device.call, samples=0, device=device)


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
    a = torch.randn(2048, 2048, device="cuda")
    samples = time_cuda(lambda: a @ a, samples=10)
    assert len(samples) == 10
    assert all(1e-5 < sample < 1e-1 for sample in samples)
    assert 0 <= empty_interval() < 1e-4
    with pytest.raises(OutOfMemory):
        time_cuda(lambda: torch.empty(1 << 50, device="cuda", dtype=torch.int8), samples=1)
