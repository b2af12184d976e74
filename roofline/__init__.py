"""How fast will this neural net run on that chip, why, and how sure are we?"""

from roofline.core.run import Recipe, Run
from roofline.core.stack import Stack
from roofline.frontends import trace
from roofline.prediction.predict import predict

__version__ = "0.1.0"
__all__ = ["Recipe", "Run", "Stack", "__version__", "predict", "trace"]
