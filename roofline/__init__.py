"""How fast will this neural net run on that chip, why, and how sure are we?"""

from roofline.predict import predict

__version__ = "0.1.0"
__all__ = ["__version__", "predict"]
