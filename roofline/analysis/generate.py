"""How long does a language model take to answer? A prompt read at once, then token by token.

Prefill runs the net on the whole prompt with an empty cache; every further token runs it on one position
with all earlier ones in the cache. The time of a token grows almost on a line with what is in the cache, so
the mean over an answer is that of its first and its last token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roofline.analysis.largest_batch import largest_batch
from roofline.core.calibration import Calibration
from roofline.core.chip import Chip
from roofline.core.network import Network
from roofline.core.prediction import SCHEMA_VERSION, Interval, Prediction
from roofline.core.run import Run
from roofline.core.stack import Stack
from roofline.errors import UsageError
from roofline.prediction.predict import predict
from roofline.specs import load_network


@dataclass(frozen=True)
class Generation:
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

    def to_dict(self) -> dict[str, Any]:
        """The public JSON form; all in SI units."""
        return {
            "schema_version": SCHEMA_VERSION,
            "chip": self.prefill.chip,
            "workload": self.prefill.workload,
            "dtype": self.prefill.dtype,
            "stack": self.prefill.stack.to_dict(),
            "tier": self.last.tier,
            "warnings": list(dict.fromkeys((*self.fullest.warnings, *self.last.warnings))),
            "prompt": self.prompt,
            "tokens": self.tokens,
            "batch": self.batch,
            "time_to_first_token": self.time_to_first_token.to_dict(),
            "time_per_token": self.time_per_token.to_dict(),
            "seconds": self.seconds.to_dict(),
            "tokens_per_s": self.tokens_per_s,
            "decode_tokens_per_s": self.decode_tokens_per_s,
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
    batch: int | None = None,
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
    UsageError : the net keeps no cache (no symbols ``seq`` and ``context``), or it is to be trained.
    """
    network = workload if isinstance(workload, Network) else load_network(workload)
    missing = [name for name in ("seq", "context") if name not in network.symbols]
    if missing:
        raise UsageError(f"{network.name} has no symbol {missing[0]!r}, so it generates no text token by token")
    if tokens < 1:
        raise UsageError(f"{tokens} tokens are no answer; at least 1")
    task = Run.of(run)
    if task.loader_rate is not None:
        raise UsageError("a prompt is there before its answer begins; a loader has no part in it")
    if task.training:
        raise UsageError("text is generated in inference, not in training")
    given = dict(bind or {})
    if given.pop("context", 0):
        raise UsageError("context is what generating fills; leave it out")
    sizes = network.bind(given | ({"batch": batch} if batch else {}))
    prompt = sizes["seq"]
    only_last = {"logits": 1} if "logits" in network.symbols else {}

    def at(seq: int, context: int) -> Prediction:
        return predict(
            chip,
            network,
            batch=batch,
            bind={**given, **only_last, "seq": seq, "context": context},
            dtype=dtype,
            stack=stack,
            calibration=calibration,
            run=task,
        )

    return Generation(prompt, tokens, at(prompt, 0), at(1, prompt), at(1, prompt + max(0, tokens - 2)))


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
    network = workload if isinstance(workload, Network) else load_network(workload)
    given = dict(bind or {})
    prompt = network.bind(given)["seq"]
    only_last = {"logits": 1} if "logits" in network.symbols else {}
    moments = ({"seq": prompt, "context": 0}, {"seq": 1, "context": prompt + max(0, tokens - 2)})
    return min(
        largest_batch(chip, network, bind={**given, **only_last, **sizes}, dtype=dtype, stack=stack, run=run)
        for sizes in moments
    )
