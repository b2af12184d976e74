"""How are PyTorch operators and networks measured on this machine? Loads torch only when it runs."""
