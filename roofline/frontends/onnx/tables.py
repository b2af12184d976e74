"""Which nodes of ONNX files are plain operators under another name, views, copies, or made of weights alone?"""

from __future__ import annotations

UNARY = {
    **dict.fromkeys(("Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"), "sin"),
    **{name: name.lower() for name in ("Relu", "Sqrt", "Exp", "Tanh", "Sigmoid", "Neg", "Abs", "Reciprocal", "Log")},
    **{name: name.lower() for name in ("Sin", "Cos", "Erf", "Elu", "Softplus", "Mish", "Round")},
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "LeakyRelu": "leaky_relu",
    "Clip": "clamp",
    **dict.fromkeys(("Selu", "Celu", "ThresholdedRelu", "Softsign"), "elu"),
    **dict.fromkeys(("Floor", "Ceil", "Sign"), "round"),
    **dict.fromkeys(("Not", "BitwiseNot"), "logical_not"),
    **dict.fromkeys(("IsNaN", "IsInf"), "compare_number"),
    **dict.fromkeys(("Swish", "QuickGelu"), "silu"),
    "Shrink": "clamp",
    "FastGelu": "gelu_tanh",
    "Dropout": "dropout",
    "Binarizer": "compare_number",
}
BINARY = {
    **{name: name.lower() for name in ("Add", "Sub", "Mul", "Div", "Pow")},
    **dict.fromkeys(("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"), "compare"),
    **dict.fromkeys(("And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor"), "logical"),
    **dict.fromkeys(("Sum", "Mean"), "add"),
    "Max": "maximum",
    "Min": "minimum",
    "PRelu": "prelu",
    "Mod": "remainder",
    "Where": "choose",
}
REDUCTIONS = {
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "row_max",
    "ReduceMin": "row_max",
    "ReduceProd": "row_product",
    "ReduceL2": "row_norm",
    "ReduceL1": "row_norm",
    "ReduceLogSumExp": "log_sum_exp",
    "ArgMax": "row_argmax",
    "ArgMin": "row_argmax",
    "ReduceSumSquare": "row_norm",
}
VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
COPIES = {
    **dict.fromkeys(("Pad", "CenterCropPad"), "pad"),
    **dict.fromkeys(("Tile", "DepthToSpace", "SpaceToDepth", "ReverseSequence", "Col2Im"), "rearrange"),
}
QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
"""Programs that run quantized networks fuse these into the layers beside them, so they are views here."""
MOVED = {"Cast", "CastLike", "Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", *QUANTIZED}
"""They change where elements stand, or their format: what they make of a weight is the same weight."""
FOLDED = MOVED | {
    *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Neg", "Abs", "Exp", "Reciprocal", "Max", "Min", "Sum", "Clip"),
    *("Concat", "Slice", "Split", "Pad", "Tile", "Expand", "Where", "Gather", "MatMul", "Einsum"),
    *("ReduceL2", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSumSquare"),
}
"""What these make of weights alone is a weight for the layer that takes it as one."""
