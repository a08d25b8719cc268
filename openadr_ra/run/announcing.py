"""What a VTN says of itself to VENs, from its settings."""

from __future__ import annotations

from collections.abc import Iterable

from openadr_ra.protocol.parts import Extension, Info, ServiceInfo
from openadr_ra.protocol.shape import Token
from openadr_ra.settings import Announcement


def service_info(said: Iterable[Announcement]) -> tuple[ServiceInfo, ...]:
    """By service, in the order in which the services first come."""
    found: dict[str, tuple[Info, ...]] = {}
    for one in said:
        if one.service is not None:
            found[one.service] = (*found.get(one.service, ()), Info(key=one.key, value=one.value))
    return tuple(ServiceInfo(service=Token(name), infos=infos) for name, infos in found.items())


def extensions(said: Iterable[Announcement]) -> tuple[Extension, ...]:
    """By name; an extension without a key is no more than its name."""
    found: dict[str, tuple[Info, ...]] = {}
    for one in said:
        if one.extension:
            added = (Info(key=one.key, value=one.value),) if one.key else ()
            found[one.extension] = (*found.get(one.extension, ()), *added)
    return tuple(Extension(name=name, infos=infos) for name, infos in found.items())
