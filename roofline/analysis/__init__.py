"""What follows from predictions: comparisons, explanations, counts, the largest batch, answers of language models."""
