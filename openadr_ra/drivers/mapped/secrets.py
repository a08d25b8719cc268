"""Secrets in files of their own, so that settings can be shown and copied. What stands in them is never logged or raised."""

from __future__ import annotations

import ssl
from pathlib import Path

from openadr_ra.errors import SettingsError


def secret(path: str, setting: str) -> str:
    """The one word in a file. Raises SettingsError, which names the file and not the word."""
    try:
        words = Path(path).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting} {path} cannot be read: {_plain(error)}") from None
    if len(words) != 1 or not words[0].isprintable() or not words[0].isascii():
        raise SettingsError(f"{setting} {path} has to hold one word of ASCII, and nothing else")
    return words[0]


def _plain(error: OSError | UnicodeDecodeError) -> str:
    """Without the bytes that could not be decoded."""
    return (error.strerror or "no such file") if isinstance(error, OSError) else "it is no text"


def trusting(ca: str) -> ssl.SSLContext:
    """TLS towards a server whose certificate `ca` signed, a PEM file; empty: any CA that this machine trusts."""
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"ca {ca} cannot be read: {error.strerror or error}; it has to be PEM") from error
