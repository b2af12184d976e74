"""How much does a campaign measure, and how much of it fits into the time there is?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from roofline.errors import UsageError

Progress = Callable[[int, int, str], None]
"""Told of samples done, samples in all and what is being measured."""

MEASURED: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "mlp": {"batch": 64},
        "resnet18": {"batch": 2, "image": 224},
        "resnet50": {"batch": 2, "image": 224},
        "mobilenetv2": {"batch": 4, "image": 224},
        "bert-base": {"batch": 1, "seq": 128},
        "gpt-small": {"batch": 2, "seq": 128},
    }
)
"""The networks that can be run, with the sizes of a campaign: 5 to 400 ms on one thread of a CPU."""
VISIT_S, NETWORKS_S = 0.036, 9.5
"""What a visit to an operator takes on a shared Zen 3 core, its share of warm and repeated ones in it, and one to all
networks."""
LADDER_ROWS, LEAST_ROWS = 88, 60
FEW_ROUNDS = 5
"""Where time is short, and on a card: many rounds are for processors that others use too."""


@dataclass(frozen=True)
class Plan:
    """How much to measure: operator shapes (0: none), rounds, networks with their sizes; ``seed`` fixes the shapes.

    growth : how many times the batch of a shape may grow (:mod:`roofline.campaign.design_cuda`).
    training : gradients, optimizers and steps of training too, not forward passes alone.
    """

    rows: int = 1100
    rounds: int = 10
    networks: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MEASURED)
    seed: int = 0
    growth: int = 1
    training: bool = True

    @classmethod
    def quick(cls) -> Plan:
        """A campaign of about a minute: forward passes alone."""
        return cls(rows=400, rounds=FEW_ROUNDS, training=False)

    def within(self, seconds: float) -> Plan:
        """As much of this plan as a CPU of some years measures in about ``seconds``: the rows that tell most.

        Networks take part where they leave most of the time to operators.
        """
        nets = self.rounds * NETWORKS_S if self.networks else 0.0
        rounds = self.rounds if seconds > 3 * nets else min(self.rounds, FEW_ROUNDS)
        nets = rounds * NETWORKS_S if seconds > 3 * rounds * NETWORKS_S else 0.0
        rows = int((seconds - nets) / (rounds * VISIT_S)) - LADDER_ROWS
        if rows < LEAST_ROWS:
            least = (LEAST_ROWS + LADDER_ROWS) * rounds * VISIT_S
            raise UsageError(
                f"{seconds:g} s are too few to measure anything that a fit could use; give it {least:.0f} s"
            )
        return replace(self, rows=min(rows, self.rows), rounds=rounds, networks=self.networks if nets else {})
