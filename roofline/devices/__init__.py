"""How long does each kernel take on a chip? Models of devices: a schedule, the facts of a chip and parameters in; times
out.

``ceiling`` is the plain roofline and the speed-of-light bound of every chip. ``gpu``, ``cpu`` and ``array`` are the
fitted models, ``kinds`` is their one interface, and ``timing`` times a schedule with them.
"""
