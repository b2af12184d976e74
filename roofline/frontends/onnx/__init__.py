"""ONNX files as networks; nothing in them is executed. Needs onnx."""
