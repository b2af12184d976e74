"""How long does a language model take to answer? A prompt read at once, then token by token.

Prefill runs the network on the whole prompt with an empty cache; every further token runs it on one position
with all earlier ones in the cache. The time of a token grows almost on a line with what is in the cache, so
the mean over an answer is that of its first and its last token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.network import Network
from roofline.core.prediction import SCHEMA_VERSION, Interval, Prediction
from roofline.core.run import Run
from roofline.core.shown import Shown
from roofline.core.stack import Stack
from roofline.core.tiers import meaning_of
from roofline.core.worth import Worth
from roofline.errors import UsageError
from roofline.prediction.largest_batch import Batch, largest_batch
from roofline.prediction.predict import predict_sizes
from roofline.prediction.question import network_of, unbound
from roofline.prediction.setting import Setting


@dataclass(frozen=True, repr=False)
class Generation(Shown):
    """An answer of ``tokens`` tokens to prompts of ``prompt`` tokens, ``batch`` of them side by side.

    prefill : the prompt, which gives the first token. first, last : the second token and the last one.
    """

    prompt: int
    tokens: int
    prefill: Prediction
    first: Prediction
    last: Prediction

    @property
    def batch(self) -> int:
        return self.prefill.batch

    @property
    def time_to_first_token(self) -> Interval:
        return self.prefill.seconds

    @property
    def time_per_token(self) -> Interval:
        """The mean over the tokens after the first."""
        spans = (self.first.seconds, self.last.seconds)
        return Interval(*(sum(getattr(span, end) for span in spans) / 2 for end in ("low", "middle", "high")))

    @property
    def seconds(self) -> Interval:
        """The whole answer."""
        each, start = self.time_per_token, self.time_to_first_token
        further = self.tokens - 1
        return Interval(
            start.low + further * each.low, start.middle + further * each.middle, start.high + further * each.high
        )

    @property
    def tokens_per_s(self) -> float:
        """New tokens per second of all answers together, prompts included in the time."""
        return self.batch * self.tokens / self.seconds.middle

    @property
    def decode_tokens_per_s(self) -> float:
        """New tokens per second once the prompts are read."""
        return self.batch / self.time_per_token.middle

    @property
    def fullest(self) -> Prediction:
        """Where most memory is needed: while the prompt is read, or at the last token."""
        return max((self.prefill, self.last), key=lambda part: part.memory.total)

    @property
    def worth(self) -> Worth:
        """New tokens per second of one chip, prompts included in the time, beside its price and its power limit."""
        return Worth.of(self.prefill.hardware, self.tokens_per_s / self.prefill.stack.chips)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the part at peak memory and of the last token, each once."""
        return tuple(dict.fromkeys((*self.fullest.warnings, *self.last.warnings)))

    def to_dict(self) -> dict[str, Any]:
        """The public JSON form; all in SI units."""
        worth = self.worth.to_dict()
        return {
            "schema_version": SCHEMA_VERSION,
            "chip": self.prefill.chip,
            "workload": self.prefill.workload,
            "dtype": self.prefill.dtype,
            "stack": self.prefill.stack.to_dict(),
            "tier": self.last.tier,
            "tier_meaning": meaning_of(self.last.tier, modelled=self.last.unfitted),
            "warnings": list(self.warnings),
            "prompt": self.prompt,
            "tokens": self.tokens,
            "batch": self.batch,
            "time_to_first_token": self.time_to_first_token.to_dict(),
            "time_per_token": self.time_per_token.to_dict(),
            "seconds": self.seconds.to_dict(),
            "tokens_per_s": self.tokens_per_s,
            "decode_tokens_per_s": self.decode_tokens_per_s,
            "price": worth["price"],
            "power_w": worth["power_w"],
            "tokens_per_s_per_price": worth["samples_per_s_per_price"],
            "tokens_per_rent": worth["samples_per_rent"],
            "tokens_per_joule": worth["samples_per_joule"],
            "memory": self.fullest.memory.to_dict(),
            "fits": self.fullest.fits,
            "prefill": self.prefill.to_dict(),
            "first": self.first.to_dict(),
            "last": self.last.to_dict(),
        }


def generate(
    chip: str | Path | Chip,
    workload: str | Path | Network,
    tokens: int,
    *,
    batch: Batch = None,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp16",
    stack: Stack | str | None = None,
    calibration: str | Path | Calibration | None = None,
    run: Run | str | None = None,
) -> Generation:
    """Predict an answer of ``tokens`` tokens; the other arguments as for :func:`roofline.prediction.predict.predict`.

    The symbol ``seq`` is the length of the prompt.

    Raises
    ------
    UsageError : the network keeps no cache (no symbols ``seq`` and ``context``), or it is to be trained.
    """
    network = unbound(network_of(workload))
    missing = [name for name in ("seq", "context") if name not in network.symbols]
    if missing:
        raise UsageError(f"{network.name} has no symbol {missing[0]!r}, so it cannot generate text token by token")
    if tokens < 1:
        raise UsageError(f"an answer needs at least 1 token, got {tokens}")
    task = Run.of(run)
    if task.loader_rate is not None:
        raise UsageError("generating text has no input pipeline; leave out --loader-rate")
    if task.training:
        raise UsageError("text is generated in inference; leave out --mode training")
    given = dict(bind or {})
    if given.pop("context", 0):
        raise UsageError("context is set while text is generated; leave it out")
    setting = Setting.of(chip, dtype, stack, calibration)
    if batch == "max":
        batch = largest_answered(chip, network, tokens, bind=given, dtype=dtype, stack=stack, run=task) or 1
    sizes = network.bind(given | ({"batch": batch} if batch else {}))
    prompt = sizes["seq"]
    only_last = {"logits": 1} if "logits" in network.symbols else {}

    moments = ((prompt, 0), (1, prompt), (1, prompt + max(0, tokens - 2)))
    asked = [
        {"batch": batch, "bind": {**given, **only_last, "seq": seq, "context": context}} for seq, context in moments
    ]
    return Generation(prompt, tokens, *predict_sizes(setting, network, asked, task))


def largest_answered(
    chip: str | Path | Chip,
    workload: str | Path | Network,
    tokens: int,
    *,
    bind: Mapping[str, int] | None = None,
    dtype: str = "fp16",
    stack: Stack | str | None = None,
    run: Run | str | None = None,
) -> int:
    """How many answers of ``tokens`` tokens fit side by side, while prompts are read and at the last token."""
    network = unbound(network_of(workload))
    given = dict(bind or {})
    prompt = network.bind(given)["seq"]
    only_last = {"logits": 1} if "logits" in network.symbols else {}
    moments = ({"seq": prompt, "context": 0}, {"seq": 1, "context": prompt + max(0, tokens - 2)})
    return min(
        largest_batch(chip, network, bind={**given, **only_last, **sizes}, dtype=dtype, stack=stack, run=run)
        for sizes in moments
    )
