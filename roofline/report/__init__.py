"""One page about a device: measured, fitted, predicted, drawn."""
