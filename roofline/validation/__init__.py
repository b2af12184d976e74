"""How good are predictions? Scores against measured rows, held out by device, and against published figures."""
