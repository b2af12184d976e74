"""How accurate are predictions? Scores against measurements, with devices left out, and against published figures."""
