"""CPU cores under eager PyTorch."""
