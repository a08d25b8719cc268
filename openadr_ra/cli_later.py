"""Commands that are imported when they are called or listed: a gateway runs one of them for years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

import click


class Later(MutableMapping[str, click.Command]):
    """A group's commands by name. `homes` says where they are: a module of this package, and the name there."""

    def __init__(self, homes: Mapping[str, tuple[str, str]]) -> None:
        self._homes = dict(homes)
        self._here: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._here:
            module, command = self._homes[name]
            self._here[name] = getattr(import_module(f"openadr_ra.{module}"), command)
        return self._here[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._here[name] = command

    def __delitem__(self, name: str) -> None:
        self._homes.pop(name, None)
        self._here.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes | self._here)

    def __len__(self) -> int:
        return len(self._homes | self._here)
