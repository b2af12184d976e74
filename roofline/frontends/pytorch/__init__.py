"""How does a PyTorch module become a network? By the operations it dispatches on the meta device. Needs torch."""
