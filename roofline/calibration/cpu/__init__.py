"""Fits of CPU cores, pulled towards what other measured CPUs say."""
