"""How long does a schedule take on a chip? One module per way of modelling a device.

``ceiling`` is the plain roofline and the limit of light, for every chip; ``cpu`` is the calibrated
model of CPU cores. A device model takes a schedule, facts and fitted numbers, and returns
:class:`~roofline.core.times.Times`.
"""
