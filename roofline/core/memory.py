"""What stores and moves the data of a chip? Memory levels, from registers to DRAM, and links off the chip."""

from __future__ import annotations

from dataclasses import dataclass, field

from roofline.core import checks
from roofline.core.fact import Fact, check_figure
from roofline.units import format_bytes, format_si


@dataclass(frozen=True)
class Overflow:
    """A slower last part of a memory, as the last 0.5 GB of a GTX 970 after its 3.5 fast ones."""

    capacity: Fact
    bandwidth: Fact

    def __post_init__(self) -> None:
        check_figure("capacity of a slower part", self.capacity)
        check_figure("bandwidth of a slower part", self.bandwidth)


@dataclass(frozen=True, repr=False)
class MemoryLevel:
    """One level of the hierarchy. ``capacity`` [B] and bandwidths [B/s] are of the whole chip.

    ``bandwidth`` is of reads and writes together; separate ports have ``read_bandwidth`` and ``write_bandwidth``.
    ``private`` levels belong to one unit each (shared memory of a multiprocessor, L1 of a core), so one unit has only
    its share. With an ``overflow``, capacity and bandwidth are those of the fast part. ``inline_ecc``: the bits of
    error correction are stored and fetched with the data.
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

    def __repr__(self) -> str:
        size, speed = self.total_capacity, self.total_bandwidth
        figures = [format_bytes(size)] if size else []
        figures += [format_si(speed, "B/s")] if speed else []
        return f"<MemoryLevel: {', '.join([self.name, *figures])}>"

    @property
    def total_capacity(self) -> float | None:
        """Capacity with a slower last part [B]; None where it is unknown."""
        if self.capacity is None:
            return None
        return self.capacity.value + (self.overflow.capacity.value if self.overflow else 0.0)

    @property
    def total_bandwidth(self) -> float | None:
        """Bandwidth of reads and writes together, of the fast part [B/s]; None where it is unknown."""
        if self.bandwidth is not None:
            return self.bandwidth.value
        ports = [port.value for port in (self.read_bandwidth, self.write_bandwidth) if port]
        return sum(ports) if ports else None


@dataclass(frozen=True)
class Link:
    """A link off the chip: PCIe, NVLink. ``bandwidth`` is one way [B/s]."""

    name: str
    bandwidth: Fact

    def __post_init__(self) -> None:
        checks.text("name of a link", self.name)
        check_figure(f"bandwidth of {self.name}", self.bandwidth)
