"""A PyTorch module as a network: what it dispatches on the meta device. Needs torch."""
