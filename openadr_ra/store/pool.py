"""Values that many rows have in common, kept once: the VENs of one make describe the same data points in the same words."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec.structs import force_setattr

T = TypeVar("T")
V = TypeVar("V")

MOST_VALUES = 4096
"""Of each of the two generations. What no row shares any more goes with the older one; values are a tenth of a KiB each."""


class Pool:
    """Finds the equal value that is there already. Any thread may use it: at worst a value is then there twice.

    What is looked for is what comes in lists: a data point by itself, and all of them together. What stands but once in a
    row has an id or a time in it, and nobody else's is equal.
    """

    def __init__(self) -> None:
        self._young: dict[object, object] = {}
        self._old: dict[object, object] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def share(self, fresh: T) -> T:
        """`fresh`, which nobody else holds yet, with the lists that other rows have, too. It is equal to what it was."""
        if isinstance(fresh, msgspec.Struct):
            self._lists_of(fresh)
        return fresh

    def _lists_of(self, struct: msgspec.Struct) -> None:
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, msgspec.Struct):
                self._lists_of(value)
            elif isinstance(value, tuple):
                _put(struct, name, value, self._list(value))
            elif isinstance(value, dict):
                for each in value.values():
                    self.share(each)

    def _list(self, value: tuple[object, ...]) -> object:
        """Of structs: (1,) equals (1.0,) and is not the same to whoever reads it. Lists of lists are looked into at once."""
        if not value or not all(isinstance(each, msgspec.Struct) for each in value):
            return value
        if not _is_flat(value[0]):
            for each in value:
                self.share(each)
            return value
        return self._known(value) or self._kept(tuple(self._part(each) for each in value))

    def _part(self, value: object) -> object:
        """A struct of a list that is not there as a whole, or what stands in such a struct."""
        if isinstance(value, str):
            return self._known(value) or self._kept(value)
        if isinstance(value, tuple):
            return self._list(value)
        if not isinstance(value, msgspec.Struct):
            return value
        known = self._known(value)
        if known is not None:
            return known
        for name in value.__struct_fields__:
            held = getattr(value, name)
            _put(value, name, held, self._part(held))
        return self._kept(value)

    def _known(self, value: V) -> V | None:
        """The one that is there; None if there is none, or if it holds a dict, which may change."""
        try:
            found = self._young.get(value)
            if found is None and (found := self._old.get(value)) is not None:
                self._keep(found)
        except TypeError:
            return None
        return found  # type: ignore[return-value] # it equals `value`

    def _kept(self, value: V) -> V:
        try:
            self._keep(value)
        except TypeError:
            return value
        return value

    def _keep(self, value: object) -> None:
        self._young[value] = value
        if len(self._young) > MOST_VALUES:
            self._old, self._young = self._young, {}


def _is_flat(struct: object) -> bool:
    """Whether a struct holds no list of its own: then to compare it with others is soon done."""
    if not isinstance(struct, msgspec.Struct):
        return False
    held = (getattr(struct, name) for name in struct.__struct_fields__)
    return not any(isinstance(each, dict) or (each and isinstance(each, tuple)) for each in held)


def _put(struct: msgspec.Struct, name: str, held: object, shared: object) -> None:
    if shared is not held:
        # Frozen for everybody who comes after us.
        force_setattr(struct, name, shared)
