"""The values that pass between the stations of the program: frozen, typed, free of I/O.

Standard library and NumPy only. Whatever is computed, drawn or stored elsewhere is computed from,
drawn from or stored as one of these.
"""
