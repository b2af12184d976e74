"""How much does a campaign measure, and how much of it fits into a given time?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from roofline.errors import UsageError

Progress = Callable[[int, int, str], None]
"""Called with samples done, all samples, and the current measurement."""

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
"""The networks that can be run, with the sizes of a campaign: 5 to 400 ms on one CPU thread."""
VISIT_S, NETWORKS_S = 0.036, 9.5
"""Seconds of a visit to an operator on a shared Zen 3 core, with its warm and repeated ones, and of one to all
networks.
"""
LADDER_ROWS, LEAST_ROWS = 88, 60
FEW_ROUNDS = 5
"""Rounds in a short campaign and on a GPU; more rounds are for processors that others use too."""


@dataclass(frozen=True)
class Plan:
    """How much to measure: operator shapes (0: none), rounds, networks with their sizes; ``seed`` fixes the shapes.

    Parameters
    ----------
    growth : largest factor on the batch of a shape (:mod:`roofline.campaign.design_cuda`).
    training : also gradients, optimizers and training steps, not only forward passes.
    """

    rows: int = 1100
    rounds: int = 10
    networks: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MEASURED)
    seed: int = 0
    growth: int = 1
    training: bool = True

    @classmethod
    def quick(cls) -> Plan:
        """A campaign of about a minute: forward passes only."""
        return cls(rows=400, rounds=FEW_ROUNDS, training=False)

    def within(self, seconds: float) -> Plan:
        """As much of this plan as an older CPU measures in about ``seconds``, the most informative measurements first.

        Networks are included where they leave most of the time to operators.
        """
        nets = self.rounds * NETWORKS_S if self.networks else 0.0
        rounds = self.rounds if seconds > 3 * nets else min(self.rounds, FEW_ROUNDS)
        nets = rounds * NETWORKS_S if seconds > 3 * rounds * NETWORKS_S else 0.0
        rows = int((seconds - nets) / (rounds * VISIT_S)) - LADDER_ROWS
        if rows < LEAST_ROWS:
            least = (LEAST_ROWS + LADDER_ROWS) * rounds * VISIT_S
            raise UsageError(f"--budget: {seconds:g} s is too short for a fit; give at least {least:.0f} s")
        return replace(self, rows=min(rows, self.rows), rounds=rounds, networks=self.networks if nets else {})
