"""What do measured calls say about GPUs? Calls as columns, fitted parameters, and their held-out errors."""
