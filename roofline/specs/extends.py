"""How does one file build on another? ``extends: architectures/maxwell`` at the top of a chip's file.

Network files do it too; :mod:`roofline.specs.netfile` says what they may change.

The named file is read first, and this one is merged over it:

* keys and values are merged key by key; where both have one, this file's wins;
* a figure (anything with a ``value``) is replaced whole, with its source and its note;
* lists whose entries all have a ``name`` are merged by it, in the order of the extended file, new entries last;
* ``notes`` are added; any other list and any plain value is replaced;
* a key written with ``null`` removes the inherited one;
* the tables of ``sources`` are merged; a tag must have one meaning in both files;
* ``name`` and ``title`` are never inherited: they belong to one file.

The result is a :class:`~roofline.specs.yamlio.Document` that knows the file and line of every key. Each file is loaded
within the limits of :mod:`roofline.specs.yamlio`, and a chain is at most :data:`MAX_CHAIN` files long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from roofline.errors import Fault, SpecError
from roofline.specs import lookup
from roofline.specs.remembered import note
from roofline.specs.yamlio import Document, KeyPath, Place, load_document

MAX_CHAIN = 8
KEY = "extends"

_OWN = ("name", "title")
_MEANT: dict[lookup.Kind, str] = {"chip": "chip, or of a base such as architectures/maxwell", "workload": "net"}


def is_part(document: Document) -> bool:
    """Whether a file is only for others to extend: it is in a folder ``architectures`` and names no chip."""
    named = isinstance(document.data, dict) and "name" in document.data
    return Path(document.file).absolute().parent.name == lookup.PARTS and not named


def extended(document: Document, kind: lookup.Kind = "chip") -> Document:
    """The document merged over everything it extends; unchanged if it extends nothing.

    Raises
    ------
    SpecError : the extended file does not exist or is wrong, extends this one again, or the chain is too long.
    """
    chain = [document]
    while (parent := _parent(chain, kind)) is not None:
        chain.append(parent)
    whole = chain.pop()
    while chain:
        whole = _laid_over(chain.pop(), whole)
    return whole


def _parent(chain: list[Document], kind: lookup.Kind) -> Document | None:
    """The document that the last one of a chain extends."""
    last = chain[-1]
    if not isinstance(last.data, dict) or last.data.get(KEY) is None:
        return None
    name = last.data[KEY]
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise _wrong(last, f"write the name of one {_MEANT[kind]}")
    path = _find(last, name, kind)
    known = [Path(document.file).resolve() for document in chain]
    if path.resolve() in known:
        again = " -> ".join([*(document.file for document in chain), str(path)])
        raise _wrong(last, f"forms a cycle: {again}")
    if len(chain) == MAX_CHAIN:
        raise _wrong(last, f"a chain of more than {MAX_CHAIN} files; merge some of them")
    parent = load_document(path)
    if not isinstance(parent.data, dict):
        raise SpecError([Fault(parent.file, parent.line(), "", f"{last.file} extends this file, but it has no keys")])
    return parent


def _find(document: Document, name: str, kind: lookup.Kind) -> Path:
    """The file of a name: beside the document first, then in the folders of its kind.

    A file may extend another of its own name, in a later folder of that list: an own ``rtx-2070`` that changes the
    price of the one that ships.
    """
    folders = [Path(document.file).parent, *lookup.folders(kind)]
    name = name.strip().removesuffix(".yaml")
    for folder in folders:  # a file that comes to stand nearer would be taken instead
        note(folder / f"{name}.yaml")
    there = [path for folder in folders if os.path.isfile(path := folder / f"{name}.yaml")]
    own = Path(document.file).resolve()
    found = next((path for path in there if path.resolve() != own), None) or next(iter(there), None)
    if found is not None:
        return found
    near = get_close_matches(name, _known(folders), n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    searched = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    raise _wrong(document, f"there is no {name}.yaml; {meant}(searched in {searched})")


def _known(folders: list[Path]) -> list[str]:
    inside = ("*.yaml", f"{lookup.PARTS}/*.yaml")
    found = (path.relative_to(folder) for folder in folders for some in inside for path in folder.glob(some))
    return list(dict.fromkeys(path.with_suffix("").as_posix() for path in found))


def _wrong(document: Document, message: str) -> SpecError:
    return SpecError([document.fault((KEY,), message)])


def _laid_over(child: Document, parent: Document) -> Document:
    """One document merged over the one it extends."""
    _check_tags(child, parent)
    data = {key: value for key, value in parent.data.items() if key not in _OWN}
    merged = _merge(_Part(child.data, child.root), _Part(data, parent.root), ())
    return Document(merged.data, child.file, merged.place, (child.file, *parent.files))


def _check_tags(child: Document, parent: Document) -> None:
    """Refuse a source tag with another meaning in the extended file, because figures there cite it."""
    mine, theirs = child.data.get("sources"), parent.data.get("sources")
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return
    clashes = [tag for tag in mine if mine[tag] is not None and theirs.get(tag, mine[tag]) != mine[tag]]
    if clashes:
        place = {tag: parent.place(("sources", tag)) for tag in clashes}
        raise SpecError(
            [
                child.fault(
                    ("sources", tag),
                    f"means {str(theirs[tag])[:60]!r} in {place[tag].file}:{place[tag].line}, whose figures cite it; "
                    "choose another tag",
                )
                for tag in clashes
            ]
        )


@dataclass(frozen=True)
class _Part:
    """A value and its place."""

    data: Any
    place: Place

    def at(self, key: str | int) -> _Part:
        return _Part(self.data[key], self.place.children[key])


def _merge(child: _Part, parent: _Part, path: KeyPath) -> _Part:
    if isinstance(child.data, dict) and isinstance(parent.data, dict):
        return child if "value" in child.data or "value" in parent.data else _mappings(child, parent, path)
    if path == ("notes",):
        return _sequence(child, [*_entries(parent), *_entries(child)])
    if _named(child) and _named(parent):
        return _by_name(child, parent, path)
    return child


def _mappings(child: _Part, parent: _Part, path: KeyPath) -> _Part:
    """Key by key; a key missing in both is reported at the child."""
    data: dict[str, Any] = {}
    place = Place(child.place.file, child.place.line)
    for key in dict.fromkeys([*parent.data, *child.data]):
        if key not in child.data:
            found = parent.at(key)
        elif key not in parent.data:
            found = child.at(key)
        elif child.data[key] is None:
            continue
        else:
            found = _merge(child.at(key), parent.at(key), (*path, key))
        data[key], place.children[key] = found.data, found.place
    return _Part(data, place)


def _by_name(child: _Part, parent: _Part, path: KeyPath) -> _Part:
    """Entries of one name merged, in the parent's order; the child's new ones last."""
    mine = _entries(child)
    merged: list[_Part] = []
    for entry in _entries(parent):
        match = next((one for one in mine if _name(one) == _name(entry)), None)
        mine = [one for one in mine if one is not match]
        merged.append(entry if match is None else _merge(match, entry, (*path, len(merged))))
    return _sequence(child, [*merged, *mine])


def _sequence(child: _Part, entries: list[_Part]) -> _Part:
    place = Place(child.place.file, child.place.line)
    place.children.update((index, entry.place) for index, entry in enumerate(entries))
    return _Part([entry.data for entry in entries], place)


def _entries(part: _Part) -> list[_Part]:
    if not isinstance(part.data, list):
        return [part]
    return [part.at(index) for index in range(len(part.data))]


def _named(part: _Part) -> bool:
    """Whether it is a list of entries that all have a name."""
    if not isinstance(part.data, list) or not part.data:
        return False
    return all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in part.data)


def _name(entry: _Part) -> str:
    return str(entry.data["name"]).lower()
