"""Whether a machine can be measured: each reason against it is found and said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from roofline.campaign import check as check_module
from roofline.campaign.check import Check, check, findings, repeats


def judged(**changes: Any) -> Check:
    """A quiet machine, with something changed."""
    rng = np.random.default_rng(1)
    compute, memory = changes.pop("compute", np.ones(24)), changes.pop("memory", np.ones(24))
    steal, others = changes.pop("steal", 0.0), changes.pop("others", 0.0)
    visits = [
        {
            "threads": 1,
            "unix_s": float(at),
            "seconds": {"compute": float(compute[at]), "memory": float(memory[at])},
            "share": 1.0,
            "steal_s": steal * at,
            "others_s": others * at,
            "processors": 2,
        }
        for at in range(24)
    ]
    cpu = {"affinity": [0, 1], "processors": 2, "governor": changes.pop("governor", None)}
    times = 1e-3 * (1 + changes.pop("noise", 0.01) * np.abs(rng.standard_normal((24, 8))))
    given: dict[str, Any] = {"threads": 1, "shares": [1.0] * 24, "jitters": [0.01] * 24, "load": 0.3} | changes
    return Check(given["threads"], 18.0, findings(visits=visits, times=times.tolist(), facts={"cpu": cpu}, **given))


def bad(found: Check) -> list[str]:
    return [finding.what for finding in found.findings if finding.good is False]


def test_a_quiet_machine_is_good() -> None:
    found = judged()
    assert found.good
    assert found.reasons == ()
    assert found.to_dict()["good"] is True


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"shares": [0.8] * 24}, ["share"]),
        ({"jitters": [0.3] * 24}, ["jitter"]),
        ({"threads": 3}, ["processors"]),
        ({"compute": np.linspace(1.0, 1.2, 24)}, ["clock"]),
        ({"memory": np.linspace(1.0, 1.6, 24)}, ["bandwidth"]),
        ({"steal": 0.1}, ["steal"]),
        ({"others": 0.5}, ["others"]),
        ({"noise": 0.5}, ["repeats", "repeats, 90th percentile"]),
        ({"compute": np.linspace(1.0, 1.2, 24), "governor": "powersave"}, ["clock", "governor"]),
        ({"governor": "powersave"}, []),  # many processors are called so and keep their clock
    ],
)
def test_each_reason_is_found(changes: dict[str, Any], what: list[str]) -> None:
    found = judged(**changes)
    assert bad(found) == what
    assert found.good == (not what)
    assert len(found.reasons) == len(what)


def test_what_repeats() -> None:
    same = np.tile([1.0, 2.0], (8, 1))
    assert repeats(same.tolist()) == (0.0, 0.0)
    same[4:] *= 1.1
    assert repeats(same.tolist()) == pytest.approx((np.log(1.1),) * 2)
    same[5] = 1.0, 2.0  # one undisturbed round of four is enough
    assert repeats(same.tolist()) == (0.0, 0.0)


def test_it_looks_for_as_long_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    monkeypatch.setattr(check_module, "KERNELS", check_module.KERNELS[:2])
    found = check(seconds=0.5)
    assert {finding.what for finding in found.findings} >= {"share", "clock", "bandwidth", "steal", "repeats", "load"}
    assert found.seconds < 30
    assert torch.get_num_threads() == threads
