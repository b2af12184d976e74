"""Measured rows: their records, files, health, differences, and public sets in their form."""
