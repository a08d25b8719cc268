"""SunSpec's models: which points a model has and where, out of the model files that come with pysunspec2.

Its code is never imported; finding a top-level package does not import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

from openadr_ra.protocol.shape import Value


class Point(Value, frozen=True, kw_only=True, gc=False):
    """A value of a model: `size` registers at `offset`, of SunSpec's type `kind`. `scale`: the point with the power of
    ten, or that power itself."""

    model: int
    name: str
    offset: int
    size: int
    kind: str
    scale: str | int | None = None


class _FilePoint(msgspec.Struct, frozen=True):
    name: str
    type: str
    size: int
    sf: str | int | None = None


class _FileGroup(msgspec.Struct, frozen=True):
    points: tuple[_FilePoint, ...] = ()


class _File(msgspec.Struct, frozen=True):
    id: int
    group: _FileGroup


def _folder() -> Path:
    spec = find_spec("sunspec2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'sunspec2' (its distribution is pysunspec2)", name="sunspec2")
    return Path(spec.submodule_search_locations[0]) / "models" / "json"


_FOLDER = _folder()
"""Looked for on import, so that whoever lacks the package learns it when the driver is named."""


@cache
def points(model: int) -> Mapping[str, Point]:
    """The fixed points of `model` by name: the header ID and L first. Those of repeating groups are left out."""
    content = msgspec.json.decode((_FOLDER / f"model_{model}.json").read_bytes(), type=_File)
    found: dict[str, Point] = {}
    offset = 0
    for each in content.group.points:
        found[each.name] = Point(
            model=model, name=each.name, offset=offset, size=each.size, kind=each.type, scale=each.sf
        )
        offset += each.size
    return found
