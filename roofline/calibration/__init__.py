"""What do measurements say about a chip? One fit for each device model, with intervals from held-out measurements."""
