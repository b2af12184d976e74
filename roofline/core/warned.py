"""What must a reader know before trusting an answer? A sentence for people, with a code for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CODES: Mapping[str, str] = {
    "emulated": "the chip has no arithmetic of this precision",
    "outside-fit": "part of the time is in shapes outside those fitted",
    "datasheet": "the plain roofline, or a model with no parameter fitted",
    "uncalibrated": "part of the time is in layers that the calibration does not cover",
    "borrowed": "parameters were fitted on other chips, or on other operators",
    "unverified": "no source verifies a figure that decides the time",
    "positions": "a sequence is longer than the positions the network has learned",
    "no-effect": "an option that was given changes nothing",
    "host-bound": "the chip waits for the program that launches its kernels",
    "last-software": "newer software does not support the chip",
    "uncovered": "no formula covers some layers; only their bytes count",
    "does-not-fit": "it needs more memory than the chip has",
    "little-memory": "it fits, with little memory to spare",
    "no-vector-engine": "elementwise layers count by bytes only",
    "no-tiles": "a generic list of GEMM tiles is used",
    "no-launch": "no launch time is known",
    "sectors": "large linear layers reach a small part of the peak",
    "tf32": "PyTorch runs fp32 convolutions in tf32 by default",
    "on-chip-memory": "the on-chip capacity is not published",
    "one-core": "more chips add memory, not speed",
    "fused": "some layers cost no time of their own",
    "slower-together": "several chips together take longer than one",
    "other-kind": "the time was carried over from another kind of chip",
    "note": "a note of the network's reader",
}
"""What each code means."""


class Warned(str):
    """A warning: the sentence itself, with its ``code``, a key of :data:`CODES`."""

    code: str

    def __new__(cls, code: str, sentence: str) -> Warned:
        warned = super().__new__(cls, sentence)
        warned.code = code
        return warned

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.code, str(self)


class Said(list[str]):
    """Warnings that are being collected."""

    def add(self, code: str, sentence: str) -> None:
        """One more warning."""
        self.append(Warned(code, sentence))


def codes(warnings: Iterable[str]) -> list[str]:
    """The codes of warnings, each once, in their order."""
    return list(dict.fromkeys(getattr(warning, "code", "note") for warning in warnings))
