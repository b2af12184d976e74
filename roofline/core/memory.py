"""What holds and moves the data of a chip? Memory levels, from registers to DRAM, and links off the chip."""

from __future__ import annotations

from dataclasses import dataclass, field

from roofline.core import checks
from roofline.core.fact import Fact, check_figure


@dataclass(frozen=True)
class Overflow:
    """A slower last part of a memory: the 0.5 GB of a GTX 970 behind its 3.5 fast ones."""

    capacity: Fact
    bandwidth: Fact

    def __post_init__(self) -> None:
        check_figure("capacity of a slower part", self.capacity)
        check_figure("bandwidth of a slower part", self.bandwidth)


@dataclass(frozen=True)
class MemoryLevel:
    """One level of the hierarchy. ``capacity`` (B) and bandwidths (B/s) are of the whole chip.

    ``bandwidth`` is of reads and writes together where one figure is known; separate ports have
    ``read_bandwidth`` and ``write_bandwidth``. ``private`` levels belong to one unit each (an SM's
    shared memory, a core's L1), so one unit sees only its share. Beside an ``overflow``, capacity and
    bandwidth are those of the fast part. ``inline_ecc``: the bits of error correction are fetched with the data.
    """

    name: str
    capacity: Fact | None = None
    bandwidth: Fact | None = None
    read_bandwidth: Fact | None = None
    write_bandwidth: Fact | None = None
    private: bool = False
    shared_with: tuple[str, ...] = ()
    overflow: Overflow | None = None
    inline_ecc: bool = False
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        checks.text("name of a memory", self.name)
        check_figure(f"capacity of {self.name}", self.capacity, optional=True)
        check_figure(f"bandwidth of {self.name}", self.bandwidth, optional=True)
        check_figure(f"read_bandwidth of {self.name}", self.read_bandwidth, optional=True)
        check_figure(f"write_bandwidth of {self.name}", self.write_bandwidth, optional=True)
        checks.flag("private", self.private)
        checks.texts("shared_with", self.shared_with)
        checks.instance(f"overflow of {self.name}", self.overflow, Overflow, optional=True)
        checks.flag("inline_ecc", self.inline_ecc)
        checks.text("place", self.place)

    @property
    def total_capacity(self) -> float | None:
        """Bytes it holds, a slower last part included; None where nothing is known."""
        if self.capacity is None:
            return None
        return self.capacity.value + (self.overflow.capacity.value if self.overflow else 0.0)

    @property
    def total_bandwidth(self) -> float | None:
        """Bytes per second both ways (of the fast part), or None where nothing is known."""
        if self.bandwidth is not None:
            return self.bandwidth.value
        ports = [port.value for port in (self.read_bandwidth, self.write_bandwidth) if port]
        return sum(ports) if ports else None


@dataclass(frozen=True)
class Link:
    """A way off the chip: PCIe, NVLink. ``bandwidth`` in B/s one way."""

    name: str
    bandwidth: Fact

    def __post_init__(self) -> None:
        checks.text("name of a link", self.name)
        check_figure(f"bandwidth of {self.name}", self.bandwidth)
