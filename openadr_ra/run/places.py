"""host:port, as it stands in settings."""

from __future__ import annotations

import re

from openadr_ra.errors import SettingsError

MAX_PORT = 65_535


def host_port(text: str, setting: str) -> tuple[str, int]:
    """The two parts; brackets round an IPv6 address are taken off. Raises SettingsError naming the setting."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > MAX_PORT:
        raise SettingsError(f"{setting}: {text!r} is not host:port")
    return host.strip("[]"), int(port)
