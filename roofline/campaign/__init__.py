"""Measuring PyTorch operators and networks on the device at hand. Loads torch only when it runs."""
