"""How long does this network take on that chip? ``predict.py`` is the file to read first."""
