"""From a name in the settings to a driver: ours, an installed package's, a module's own, or one handed in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from openadr_ra.errors import SettingsError
from openadr_ra.protocol.model import ResourceId
from openadr_ra.seams import AnyDriver, Clock, Driver, DriverFactory, DriverSettings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "openadr_ra.drivers"
"""The entry point group in which a distribution names its drivers."""

OWN = {
    "echonet": "openadr_ra.drivers.echonet:Echonet",
    "mapped-http": "openadr_ra.drivers.mapped.http:MappedHttp",
    "mapped-modbus": "openadr_ra.drivers.mapped.modbus:MappedModbus",
    "mapped-mqtt": "openadr_ra.drivers.mapped.mqtt:MappedMqtt",
    "ocpp": "openadr_ra.drivers.ocpp:Charger",
    "simulated-battery": "openadr_ra.drivers.simulated:Battery",
    "simulated-ev": "openadr_ra.drivers.simulated:EvCharger",
    "simulated-generator": "openadr_ra.drivers.simulated:Generator",
    "simulated-line": "openadr_ra.drivers.simulated:Line",
    "simulated-load": "openadr_ra.drivers.simulated:InterruptibleLoad",
    "simulated-pv": "openadr_ra.drivers.simulated:Pv",
    "simulated-thermal": "openadr_ra.drivers.simulated:Thermal",
    "simulated-v2h": "openadr_ra.drivers.simulated:V2h",
    "simulated-wind": "openadr_ra.drivers.simulated:Wind",
    "sunspec": "openadr_ra.drivers.sunspec:Sunspec",
}
"""Ours, as the distribution names them. A gateway with nothing but these need not read what each package on it has to
offer, nor carry in memory what that takes (`importlib.metadata`, half a MB).
"""

_AT_KEY = re.compile(r"(?P<what>.*) - at `\$(?P<key>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<key>.*)`")

NO_DRIVERS: Mapping[str, DriverFactory] = {}


def names(extra: Mapping[str, DriverFactory] = NO_DRIVERS) -> tuple[str, ...]:
    """Every driver that can be named in the settings, sorted."""
    from importlib.metadata import entry_points

    return tuple(sorted({*extra, *OWN, *(entry.name for entry in entry_points(group=GROUP))}))


def build(
    name: str,
    resource: ResourceId,
    settings: Mapping[str, object],
    clock: Clock,
    *,
    extra: Mapping[str, DriverFactory] = NO_DRIVERS,
) -> AnyDriver:
    """The driver `name` of device `resource` with its own `settings`.

    `name` is a key of `extra`, one of ours, an entry point of the group, or `package.module:Class`. The driver's module is
    imported here and not before. Raises SettingsError for a driver that is unknown, that lacks a package, or that is no
    driver, and for settings that it does not have or cannot use; the message names the device, the driver and the key.
    """
    device = f'device "{resource}"'
    factory = extra.get(name) or _load(name, device, extra)
    return _built(factory, resource, _settings(factory, name, device, settings), clock, name)


def _load(name: str, device: str, extra: Mapping[str, DriverFactory]) -> Callable[..., object]:
    try:
        found = _own(name) if name in OWN else _installed(name, device, extra)
    except ImportError as error:
        raise SettingsError(f'{device}: driver "{name}" cannot be loaded: {_cure(name, error)}') from error
    except AttributeError as error:
        raise SettingsError(f"{device}: {error}") from error
    if not callable(found):
        raise SettingsError(f'{device}: "{name}" is no driver but {found!r:.60}')
    return found


def _own(name: str) -> object:
    module, _, attribute = OWN[name].partition(":")
    return getattr(import_module(module), attribute)


def _installed(name: str, device: str, extra: Mapping[str, DriverFactory]) -> object:
    entry = _entry(name)
    if entry is None:
        known = names(extra)
        hint = did_you_mean(name, known)
        raise SettingsError(
            f'{device}: there is no driver "{name}"{hint}; known are {", ".join(known)}, or package.module:Class'
        )
    return entry.load()


def _entry(name: str) -> EntryPoint | None:
    """The entry point called `name`, or the place that `name` itself spells."""
    from importlib.metadata import EntryPoint, entry_points

    found = entry_points(group=GROUP, name=name)
    if found:
        return next(iter(found))
    module, colon, attribute = name.partition(":")
    spelt = colon and all(part.isidentifier() for part in (*module.split("."), attribute))
    return EntryPoint(name=name, value=name, group=GROUP) if spelt else None


def _cure(name: str, error: ImportError) -> str:
    """What is missing, and where the entry point names an extra, how to install it."""
    entry = _entry(name)
    if entry is None or not entry.extras or entry.dist is None:
        return str(error)
    return f"{error}; pip install {entry.dist.name}[{','.join(entry.extras)}]"


def _settings(factory: Callable[..., object], name: str, device: str, table: Mapping[str, object]) -> DriverSettings:
    """`table` as the factory's own kind of settings."""
    kind = getattr(factory, "Settings", None)
    if not (isinstance(kind, type) and issubclass(kind, DriverSettings)):
        raise SettingsError(f'{device}: driver "{name}" has no Settings, a kind of DriverSettings')
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or _all_of(known)
            raise SettingsError(f'{device}: driver "{name}" knows no setting `{key}`{hint}')
    for path in _not_finite(dict(table)):
        raise SettingsError(f'{device}: setting `{path}` of driver "{name}" is not a finite number')
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{device}: {_said(str(error), name)}") from error


def _said(text: str, name: str) -> str:
    """msgspec's sentence, with the key in front."""
    match = _AT_KEY.fullmatch(text)
    what, path = (match["what"], match["key"].lstrip(".")) if match else (text, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        path = ".".join(filter(None, (path, missing["key"])))
        return f'driver "{name}" needs the setting `{path}`'
    return f'setting `{path}` of driver "{name}": {what}' if path else f'driver "{name}": {what}'


def _not_finite(value: object, path: str = "") -> Iterator[str]:
    """Where TOML's nan and inf stand: no setting of any driver can be one."""
    match value:
        case float() if not math.isfinite(value):
            yield path
        case dict():
            for key, inner in value.items():
                yield from _not_finite(inner, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for number, inner in enumerate(value):
                yield from _not_finite(inner, f"{path}[{number}]")


def _built(
    factory: Callable[..., object], resource: ResourceId, settings: DriverSettings, clock: Clock, name: str
) -> AnyDriver:
    driver = factory(resource, settings, clock)
    if not isinstance(driver, Driver):
        verbs = ("describe", "apply", "read", "release")
        lacking = ", ".join(verb for verb in verbs if not callable(getattr(driver, verb, None)))
        raise SettingsError(f'device "{resource}": driver "{name}" has no {lacking}')
    return driver


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where one of `known` looks like it, else nothing."""
    # Only for whom something is misspelt.
    import difflib

    close = difflib.get_close_matches(wrong, sorted(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _all_of(known: set[str]) -> str:
    return f"; it has {', '.join(sorted(known))}" if known else "; it has none"
