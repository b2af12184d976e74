"""What do measured calls teach about GPUs? Rows as columns, fitted numbers, and how good they are held out."""
