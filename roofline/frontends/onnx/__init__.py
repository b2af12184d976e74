"""How do ONNX files become networks? Nothing in them is executed. Needs the package onnx."""
