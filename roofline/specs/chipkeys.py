"""Which keys does the file of a chip take? See :mod:`roofline.specs.keys`."""

from __future__ import annotations

from collections.abc import Mapping

from roofline.specs.keys import Key, Section, figure, text

_SOURCE = text(
    "source", "tags from `sources`, `derived: <arithmetic>`, `measured: <how>` or `unverified`", required=True
)
_STATUS = Key("status", "word", "`datasheet`, `derived`, `measured` or `unverified`", default="follows from the source")
_FIGURE = (
    Key("value", "quantity", "a number with its unit, such as `448 GB/s`; without a unit: SI units", True),
    _SOURCE,
    _STATUS,
    text("note", "a remark for the reader"),
)

CHIP: Mapping[str, Section] = {
    "chip": Section(
        "The file of a chip",
        "`hw_specs/<name>.yaml`. An architecture file has the same keys; none of them is required there.",
        (
            text("extends", "the file to build on: a path without `.yaml`, or the name of a chip"),
            text("name", "lower case, equal to the file name; never inherited", required=True),
            text("title", "full name; never inherited", default="the name"),
            Key("kind", "word", "`gpu`, `array` (NPU, TPU) or `cpu`: selects the performance model", True),
            text("vendor", "manufacturer", required=True),
            text("architecture", "its architecture; a calibration can apply to a whole architecture", required=True),
            Key("year", "whole number", "year of release"),
            Key("sources", "keys and values", "documents that figures cite, each with a tag", of="sources"),
            figure("process", "m", "manufacturing process, such as `12 nm`"),
            figure("power", "W", "power limit"),
            figure("launch", "s", "minimum time of one kernel launch"),
            figure(
                "cores", "", "cores of an array, each of which can run a network of its own; whole number, default 1"
            ),
            Key(
                "engines",
                "list",
                "compute units; `private` memory has one part per unit of the first entry",
                True,
                of="engine",
            ),
            Key("memory", "list", "memory levels, from the closest to the compute units to DRAM", True, of="level"),
            Key("links", "list", "connections to the host and to other chips", of="link"),
            Key("packages", "list", "units in which the device is sold", of="package"),
            Key("price", "list", "prices; the first one is shown", of="price"),
            Key("software", "keys and values", "software that supports the chip", of="software"),
            Key("emulation", "keys and values", "precisions that are computed in another format", of="emulation"),
            Key("tiles", "keys and values", "GEMM tile sizes of the GPU libraries", of="tiles"),
            Key("neighbours", "list of texts", "most similar architecture files, the most similar first"),
            Key("notes", "list of texts", "remarks; added to the inherited ones"),
        ),
    ),
    "figure": Section("A figure", "Every number that describes the hardware has this form.", _FIGURE),
    "sources": Section(
        "`sources`",
        "Figures cite these by their tags.",
        free="a tag; its value is the name or the address of a document",
    ),
    "engine": Section(
        "An entry of `engines`",
        "A kind of compute unit. Peak [FLOP/s] = count x 2 x FMA per clock x boost clock.",
        (
            text("name", "such as `CUDA cores`", required=True),
            Key(
                "kind",
                "word",
                "`vector` engines do any work, `matrix` engines only matrix multiplications and convolutions",
                True,
            ),
            figure("count", "", "number of units, a whole number", required=True),
            Key("clock", "keys and values", "its clocks", True, of="clock"),
            Key("fma_per_clock", "keys and values", "multiply-adds per unit and clock cycle", True, of="rates"),
            Key("array", "keys and values", "shape and timing of a matrix array", of="array"),
            Key(
                "inline",
                "true or false",
                "a vector engine through which results pass on their way to memory",
                default="false",
            ),
            Key("stated_peaks", "keys and values", "peaks stated by the vendor", of="peaks"),
        ),
    ),
    "clock": Section(
        "`clock`",
        "",
        (
            figure("boost", "Hz", "the clock at which the vendor states peaks", required=True),
            figure("base", "Hz", "the guaranteed clock"),
            figure("top", "Hz", "the highest clock the chip reaches; the speed-of-light bound uses it"),
            figure("sustained", "Hz", "measured clock during long matrix multiplications"),
        ),
    ),
    "rates": Section(
        "`fma_per_clock`",
        "",
        free="a precision, `fp32` or `fp16/fp16` (inputs/accumulator); its value is a figure, FMA",
        of="figure",
    ),
    "peaks": Section(
        "`stated_peaks`",
        "Dense peaks, without sparsity. Each is compared with count x 2 x FMA per clock x boost clock.",
        free="a precision; its value is the figure below",
        of="peak",
    ),
    "peak": Section(
        "A stated peak",
        "A figure in FLOP/s or OP/s, with one more key.",
        (
            *_FIGURE,
            text(
                "disagrees_because", "why it differs from the arithmetic by more than 2 %; the peak is then only shown"
            ),
        ),
    ),
    "array": Section(
        "`array`",
        "rows x cols x depth must equal one of the rates in `fma_per_clock`.",
        (
            Key("rows", "whole number", "rows of multipliers", True),
            Key("cols", "whole number", "columns of multipliers", True),
            Key("depth", "whole number", "length of the dot product that each cell computes per cycle", default="1"),
            Key(
                "dataflow",
                "word",
                "`weight-stationary`, `output-stationary` or `dot-product`; optional for a GPU",
                True,
            ),
            figure("issue", "", "minimum cycles between two matrix instructions; default 1"),
            figure("moving", "", "largest number of activation rows of one matrix instruction"),
            figure("load", "", "cycles to load a tile of weights; default: the number of rows"),
            Key("load_exposed", "true or false", "the array idles while weights are loaded", default="false"),
            figure("accumulators", "", "rows of accumulators; after as many rows the weights are loaded again"),
            figure(
                "drain",
                "",
                "cycles to move a tile of results out of an output-stationary array; default: the number of rows",
            ),
            Key(
                "lowering",
                "word",
                "how convolutions become GEMMs: `row-packed`, `im2col` or `per-tap`",
                default="row-packed",
            ),
            Key("padded_weights", "true or false", "weights are stored in memory as whole tiles", default="false"),
            Key("streamed_weights", "true or false", "weights are read from DRAM for every batch", default="false"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "level": Section(
        "An entry of `memory`",
        "Capacity and bandwidth are those of the whole chip. Give one bandwidth for both directions, or one for each.",
        (
            text("name", "such as `L2`; the last level is `DRAM`", required=True),
            figure("capacity", "B", "capacity", of="capacity"),
            figure("bandwidth", "B/s", "bandwidth of reads and writes together"),
            figure("read_bandwidth", "B/s", "bandwidth of a port that only reads"),
            figure("write_bandwidth", "B/s", "bandwidth of a port that only writes"),
            Key(
                "private",
                "true or false",
                "each compute unit has its own part and sees only that part",
                default="false",
            ),
            Key("shared_with", "list of texts", "other users of this memory"),
            Key("overflow", "keys and values", "a slower last part; only for DRAM", of="overflow"),
            Key(
                "inline_ecc",
                "true or false",
                "the error-correction bits are stored in DRAM with the data",
                default="false",
            ),
        ),
    ),
    "capacity": Section(
        "`capacity` of a level",
        "A figure in bytes, with one more key.",
        (
            *_FIGURE,
            Key("each", "true or false", "the figure is for one unit of a private level, not for all", default="false"),
        ),
    ),
    "overflow": Section(
        "`overflow`",
        "With an `overflow`, the `capacity` and `bandwidth` of the level describe the fast part.",
        (
            figure("capacity", "B", "capacity of the slow part", required=True),
            figure("bandwidth", "B/s", "bandwidth of the slow part", required=True),
        ),
    ),
    "link": Section(
        "An entry of `links`",
        "",
        (
            text("name", "such as `PCIe 3.0 x16`", required=True),
            figure("bandwidth", "B/s", "bandwidth in one direction", required=True),
        ),
    ),
    "package": Section(
        "An entry of `packages`",
        "",
        (
            text("name", "such as `card` or `inf1.6xlarge`", required=True),
            figure("count", "", "number of these devices in one package, a whole number", required=True),
        ),
    ),
    "price": Section(
        "An entry of `price`",
        "",
        (
            Key("amount", "number", "amount of money", True),
            text("currency", "such as `USD`", required=True),
            text("date", "date of the price: `YYYY-MM-DD`, or the part that is known", required=True),
            text("per", "`unit` (this device) or the name of a package", default="unit"),
            Key("every", "word", "`hour` for a rental price", default="a purchase price"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "software": Section(
        "`software`",
        "Versions are text. Leave out an unknown version, and the last version if support continues.",
        (
            text("cuda_capability", "CUDA compute capability, such as `7.5`"),
            text("first_cuda", "first CUDA version that supports it"),
            text("last_cuda", "last CUDA version that supports it"),
            text("first_torch", "first PyTorch version that runs on it"),
            text("last_torch", "last PyTorch version whose builds run on it"),
            text("note", "a remark for the reader"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "tiles": Section(
        "`tiles`",
        "If an architecture has no list of a kind, the generic list is used.",
        (
            Key("linear", "keys and values", "GEMM on vector lanes", of="tile list"),
            Key("batched", "keys and values", "batched GEMM on vector lanes", of="tile list"),
            Key("tensor", "keys and values", "GEMM and batched GEMM on matrix engines", of="tile list"),
        ),
    ),
    "tile list": Section(
        "A list of tiles",
        "",
        (
            Key("shapes", "list", "`[rows, columns]` of the output tile of one thread block", True),
            _SOURCE,
            _STATUS,
        ),
    ),
    "emulation": Section(
        "`emulation`",
        "A precision that is neither here nor in `fma_per_clock` is refused.",
        free="a precision; its value has the keys below",
        of="emulated",
    ),
    "emulated": Section(
        "An emulated precision",
        "",
        (
            text("as", "the precision in which it is computed; an engine must have it", required=True),
            text("path", "how, in words, such as `storage only`", required=True),
        ),
    ),
}
