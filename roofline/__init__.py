"""How fast will this neural network run on that chip, why, and how sure are we?

Every public name is here, and is loaded when it is first used: ``import roofline`` itself loads next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roofline.core.shown import PRESENTER, Presenter

if TYPE_CHECKING:
    from roofline.analysis.compare import compare
    from roofline.analysis.explain import Explanation, explain
    from roofline.analysis.generate import Generation, generate
    from roofline.analysis.sweep import Sweep, sweep
    from roofline.calibration.calibrate import calibrate
    from roofline.campaign.measure import measure
    from roofline.core.calibration import Calibration
    from roofline.core.chip import Chip
    from roofline.core.comparison import Comparison
    from roofline.core.layers import Interval
    from roofline.core.measurement import Measurement
    from roofline.core.network import Network
    from roofline.core.prediction import Prediction
    from roofline.core.run import Recipe, Run
    from roofline.core.stack import Stack
    from roofline.core.validation import Validation
    from roofline.errors import RooflineError
    from roofline.frontends import trace
    from roofline.measurements.store import read_measurements
    from roofline.prediction.largest_batch import largest_batch
    from roofline.prediction.predict import predict
    from roofline.render.plot import plot
    from roofline.specs import chips, load_chip, load_network, networks
    from roofline.validation.validate import validate

__version__ = "0.1.0"

_MODULES = {
    "Calibration": "roofline.core.calibration",
    "Chip": "roofline.core.chip",
    "Comparison": "roofline.core.comparison",
    "Explanation": "roofline.analysis.explain",
    "Generation": "roofline.analysis.generate",
    "Interval": "roofline.core.layers",
    "Measurement": "roofline.core.measurement",
    "Network": "roofline.core.network",
    "Prediction": "roofline.core.prediction",
    "Recipe": "roofline.core.run",
    "RooflineError": "roofline.errors",
    "Run": "roofline.core.run",
    "Stack": "roofline.core.stack",
    "Sweep": "roofline.analysis.sweep",
    "Validation": "roofline.core.validation",
    "calibrate": "roofline.calibration.calibrate",
    "chips": "roofline.specs",
    "compare": "roofline.analysis.compare",
    "explain": "roofline.analysis.explain",
    "generate": "roofline.analysis.generate",
    "largest_batch": "roofline.prediction.largest_batch",
    "load_chip": "roofline.specs",
    "load_network": "roofline.specs",
    "measure": "roofline.campaign.measure",
    "networks": "roofline.specs",
    "plot": "roofline.render.plot",
    "predict": "roofline.prediction.predict",
    "read_measurements": "roofline.measurements.store",
    "sweep": "roofline.analysis.sweep",
    "trace": "roofline.frontends",
    "validate": "roofline.validation.validate",
}
"""Every public name with the module it is from. No module of this package itself may bear one of these names."""

__all__ = [
    "Calibration",
    "Chip",
    "Comparison",
    "Explanation",
    "Generation",
    "Interval",
    "Measurement",
    "Network",
    "Prediction",
    "Recipe",
    "RooflineError",
    "Run",
    "Stack",
    "Sweep",
    "Validation",
    "__version__",
    "calibrate",
    "chips",
    "compare",
    "explain",
    "generate",
    "largest_batch",
    "load_chip",
    "load_network",
    "measure",
    "networks",
    "plot",
    "predict",
    "read_measurements",
    "sweep",
    "trace",
    "validate",
]

if not TYPE_CHECKING:  # a type checker that saw it would take every name for a public one

    def __getattr__(name):
        from importlib import import_module

        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(_MODULES[name]), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _presenter() -> Presenter:
    from roofline.render import shown

    return shown


PRESENTER[:] = [_presenter]
