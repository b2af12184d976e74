"""GPUs: tiles in waves, tensor cores, convolution plans, streams, power, the host that launches."""
