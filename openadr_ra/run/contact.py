"""How it goes with reaching a VTN, since the start: what its operator asks first when nothing comes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from openadr_ra.wire.parse import one_line

LinkState = Literal["starting", "connected", "waiting"]
"""Nothing has come back yet; the last message was answered; it was not, and the next attempt is to come."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """`heard_at`: when the VTN last said something that could be used, be its word yes or no. `error`, `failed_at`: of the
    last message that had no such answer; they stay when the next one has."""

    state: LinkState = "starting"
    heard_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""


def heard(contact: Contact, now: datetime, *, answered: bool = True) -> Contact:
    """The VTN spoke: to answer us, or by itself, which does not say whether we reach it."""
    return msgspec.structs.replace(contact, state="connected" if answered else contact.state, heard_at=now)


def failed(contact: Contact, now: datetime, why: str) -> Contact:
    """A message of ours had no answer, or none that could be used."""
    return msgspec.structs.replace(contact, state="waiting", failed_at=now, error=one_line(why))
