"""How are packages, prices and software of a chip read?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, cast

from roofline.core.chip import Package, Price, Software
from roofline.specs.facts import PLACEHOLDER, FactReader
from roofline.specs.fields import Fields

UNIT = "unit"
"""What a price is for by default: this device."""


def read_packages(reader: FactReader, entries: Sequence[Fields]) -> tuple[Package, ...]:
    """The products that contain the device: ``- {name: card, count: {value: 2, source: ...}}``."""
    packages = []
    for fields in entries:
        name = fields.text("name", required="what it is called, such as card")
        if name == UNIT:
            fields.note("this word is reserved for the device itself; choose another name", "name")
        count = reader.fact(fields, "count", "", required="how many of this device it holds", whole=True)
        packages.append(Package(name, count or PLACEHOLDER))
        fields.finish()
    return tuple(packages)


def read_price(reader: FactReader, fields: Fields, packages: Sequence[Package]) -> Price:
    """One price, of this device or of a package."""
    amount = reader.quantity(fields, "amount", "")
    currency = fields.text("currency", required="a currency, such as USD")
    date = fields.text("date", required="the day it was true, such as 2018-10-17")
    if date and not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", date):
        fields.note(f"{date!r}: write YYYY-MM-DD, or the part that is known", "date")
    source, status = reader.source(fields)
    per = fields.text("per", UNIT)
    devices = {UNIT: 1.0} | {package.name: package.count.value for package in packages}
    if per not in devices:
        near = get_close_matches(per, devices, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}?" if near else f"write one of {', '.join(devices)}"
        fields.note(f"{per!r} is not a package of this chip; {meant}", "per")
    every = fields.choice("every", ("hour",))
    fields.finish()
    return Price(amount or 1.0, currency, date, source, status, per, cast(Any, every), devices.get(per, 1.0))


def read_software(reader: FactReader, fields: Fields | None) -> Software | None:
    """First and last versions, and CUDA's number of the architecture."""
    if fields is None:
        return None
    source, status = reader.source(fields)
    software = Software(
        cuda_capability=fields.text("cuda_capability") or None,
        first_cuda=fields.text("first_cuda") or None,
        last_cuda=fields.text("last_cuda") or None,
        first_torch=fields.text("first_torch") or None,
        last_torch=fields.text("last_torch") or None,
        note=fields.text("note"),
        source=source,
        status=status,
    )
    fields.finish()
    return software
