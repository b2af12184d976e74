"""Matrix arrays: NPUs and TPUs."""
