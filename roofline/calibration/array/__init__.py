"""Fits of matrix arrays on published figures."""
