"""What measurements teach: one fit beside each device model, and the intervals that come of what is held out."""
