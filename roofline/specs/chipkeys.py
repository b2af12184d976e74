"""Which keys does the file of a chip take? See :mod:`roofline.specs.keys`."""

from __future__ import annotations

from collections.abc import Mapping

from roofline.specs.keys import Key, Section, figure, text

_SOURCE = text(
    "source", "tags of the `sources`, `derived: <arithmetic>`, `measured: <how>` or `unverified`", required=True
)
_STATUS = Key("status", "word", "`datasheet`, `derived`, `measured` or `unverified`", default="what the source implies")
_FIGURE = (
    Key("value", "quantity", "a number with its unit, such as `448 GB/s`; a plain number is in SI units", True),
    _SOURCE,
    _STATUS,
    text("note", "anything a reader should know"),
)

CHIP: Mapping[str, Section] = {
    "chip": Section(
        "The file of a chip",
        "`hw_specs/<name>.yaml`. The file of an architecture has the same keys, and none of them is required.",
        (
            text("extends", "the file to build on: a path without `.yaml`, or a name in the folders of chips"),
            text("name", "lower case, as the file is named; never inherited", required=True),
            text("title", "the name in full; never inherited", default="the name"),
            Key("kind", "word", "`gpu`, `array` (NPU, TPU) or `cpu`: which model describes it", True),
            text("vendor", "who makes it", required=True),
            text("architecture", "the family it belongs to; a calibration may be of a family", required=True),
            Key("year", "whole number", "when it came out"),
            Key("sources", "keys and values", "a tag for every document that figures cite", of="sources"),
            figure("process", "m", "the process it is made in, such as `12 nm`"),
            figure("power", "W", "the power limit"),
            figure("launch", "s", "what one launch of a kernel costs at least"),
            figure("cores", "", "parts of an array that run a net each by itself, a whole number; 1 unless said"),
            Key("engines", "list", "compute units; private capacities count by the first", True, of="engine"),
            Key("memory", "list", "levels from the inside out; the last one is DRAM", True, of="level"),
            Key("links", "list", "ways off the chip", of="link"),
            Key("packages", "list", "what the device is sold in", of="package"),
            Key("price", "list", "what it costs, the one to show first", of="price"),
            Key("software", "keys and values", "what runs it", of="software"),
            Key("emulation", "keys and values", "precisions computed in another way", of="emulation"),
            Key("tiles", "keys and values", "what the libraries of a GPU cut products into", of="tiles"),
            Key("neighbours", "list of texts", "architecture files that come nearest, the nearest first"),
            Key("notes", "list of texts", "what no figure says; added to inherited ones"),
        ),
    ),
    "figure": Section("A figure", "Wherever a number stands for the hardware.", _FIGURE),
    "sources": Section(
        "`sources`", "Every figure cites these.", free="a tag; its value is a document's name or an address"
    ),
    "engine": Section(
        "An entry of `engines`",
        "A kind of compute unit. Peak = count x 2 x FMA per clock x boost clock.",
        (
            text("name", "such as `CUDA cores`", required=True),
            Key("kind", "word", "`vector` engines do any work, `matrix` engines only products", True),
            figure("count", "", "how many units, a whole number", required=True),
            Key("clock", "keys and values", "its clocks", True, of="clock"),
            Key("fma_per_clock", "keys and values", "multiply-adds per unit and clock", True, of="rates"),
            Key("array", "keys and values", "the shape of a matrix array", of="array"),
            Key("inline", "true or false", "a vector engine on the way out of the array", default="false"),
            Key("stated_peaks", "keys and values", "peaks as the vendor states them", of="peaks"),
        ),
    ),
    "clock": Section(
        "`clock`",
        "",
        (
            figure("boost", "Hz", "the clock that peaks are stated at", required=True),
            figure("base", "Hz", "the clock that is guaranteed"),
            figure("top", "Hz", "the most the part ever reaches: no prediction is faster"),
            figure("sustained", "Hz", "what it was measured to hold in long products"),
        ),
    ),
    "rates": Section(
        "`fma_per_clock`",
        "",
        free="a precision, `fp32` or `fp16/fp16` (inputs/sums); its value is a figure, FMA",
        of="figure",
    ),
    "peaks": Section(
        "`stated_peaks`",
        "Dense ones; each is compared with its arithmetic.",
        free="a precision; its value is the figure below",
        of="peak",
    ),
    "peak": Section(
        "A stated peak",
        "A figure in FLOP/s or OP/s, and one key more.",
        (*_FIGURE, text("disagrees_because", "why it is more than 2 % off its arithmetic; then it is only shown")),
    ),
    "array": Section(
        "`array`",
        "rows x cols x depth must be one of the rates of `fma_per_clock`.",
        (
            Key("rows", "whole number", "rows of multipliers", True),
            Key("cols", "whole number", "columns of multipliers", True),
            Key("depth", "whole number", "length of the dot products of a grid", default="1"),
            Key(
                "dataflow",
                "word",
                "what stays: `weight-stationary`, `output-stationary`, `dot-product`; a GPU may do without",
                True,
            ),
            figure("issue", "", "cycles between two products at least; 1 unless said"),
            figure("moving", "", "most rows of activations of one product"),
            figure("load", "", "cycles to load a tile of weights; as many as rows unless said"),
            Key("load_exposed", "true or false", "products wait while weights are loaded", default="false"),
            figure("accumulators", "", "rows of sums it keeps, after which weights are loaded again"),
            figure("drain", "", "cycles to move a tile of results out, where outputs stay; the rows unless said"),
            Key("lowering", "word", "of convolutions: `row-packed`, `im2col`, `per-tap`", default="row-packed"),
            Key("padded_weights", "true or false", "weights lie in memory in whole tiles", default="false"),
            Key("streamed_weights", "true or false", "weights come from DRAM for every batch", default="false"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "level": Section(
        "An entry of `memory`",
        "Capacity and bandwidth are of the whole chip. Give one bandwidth for both ways, or one for each.",
        (
            text("name", "such as `L2`; the last is `DRAM`", required=True),
            figure("capacity", "B", "how much it holds", of="capacity"),
            figure("bandwidth", "B/s", "reads and writes together"),
            figure("read_bandwidth", "B/s", "of a port that only reads"),
            figure("write_bandwidth", "B/s", "of a port that only writes"),
            Key("private", "true or false", "every unit has its own and sees only its share", default="false"),
            Key("shared_with", "list of texts", "who else uses it"),
            Key("overflow", "keys and values", "a slower last part, of DRAM alone", of="overflow"),
            Key("inline_ecc", "true or false", "error correction is fetched from DRAM like data", default="false"),
        ),
    ),
    "capacity": Section(
        "`capacity` of a level",
        "A figure in B, and one key more.",
        (*_FIGURE, Key("each", "true or false", "it is of one unit of a private level, not of all", default="false")),
    ),
    "overflow": Section(
        "`overflow`",
        "`capacity` and `bandwidth` beside it are then of the fast part.",
        (
            figure("capacity", "B", "how much is slower", required=True),
            figure("bandwidth", "B/s", "how fast that part is", required=True),
        ),
    ),
    "link": Section(
        "An entry of `links`",
        "",
        (
            text("name", "such as `PCIe 3.0 x16`", required=True),
            figure("bandwidth", "B/s", "one way", required=True),
        ),
    ),
    "package": Section(
        "An entry of `packages`",
        "",
        (
            text("name", "such as `card` or `inf1.6xlarge`", required=True),
            figure("count", "", "how many of this device it holds, a whole number", required=True),
        ),
    ),
    "price": Section(
        "An entry of `price`",
        "",
        (
            Key("amount", "number", "how much", True),
            text("currency", "such as `USD`", required=True),
            text("date", "when that was true: `YYYY-MM-DD`, or as much of it as is known", required=True),
            text("per", "`unit` (this device) or the name of a package", default="unit"),
            Key("every", "word", "`hour`: it is rent", default="bought"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "software": Section(
        "`software`",
        "Versions are text; leave out what is unknown or has no end yet.",
        (
            text("cuda_capability", "what CUDA calls the architecture, such as `7.5`"),
            text("first_cuda", "the first CUDA that knows it"),
            text("last_cuda", "the last CUDA that supports it"),
            text("first_torch", "the first PyTorch that runs on it"),
            text("last_torch", "the last PyTorch whose builds run on it"),
            text("note", "anything a reader should know"),
            _SOURCE,
            _STATUS,
        ),
    ),
    "tiles": Section(
        "`tiles`",
        "An architecture without a list of a kind gets a general one.",
        (
            Key("linear", "keys and values", "products of two matrices on vector lanes", of="tile list"),
            Key("batched", "keys and values", "those of many pairs at once", of="tile list"),
            Key("tensor", "keys and values", "any on matrix engines", of="tile list"),
        ),
    ),
    "tile list": Section(
        "A list of tiles",
        "",
        (
            Key("shapes", "list", "`[rows, columns]` of the result that one block computes", True),
            _SOURCE,
            _STATUS,
        ),
    ),
    "emulation": Section(
        "`emulation`",
        "A precision neither here nor in a rate is refused.",
        free="a precision; its value are the keys below",
        of="emulated",
    ),
    "emulated": Section(
        "An emulated precision",
        "",
        (
            text("as", "the precision really computed in; some engine must have it", required=True),
            text("path", "how, in words", required=True),
        ),
    ),
}
