"""The driver `ocpp`: one connector of a charge point, moved by a charging limit that ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from openadr_ra.drivers.ocpp.dialect import Ask, NotUnderstood
from openadr_ra.drivers.ocpp.limits import Limits, Reach
from openadr_ra.drivers.ocpp.link import Gone, Link, Refused
from openadr_ra.drivers.ocpp.listener import Listener, seated
from openadr_ra.drivers.ocpp.need import Need
from openadr_ra.drivers.ocpp.session import MOMENT, Session
from openadr_ra.drivers.ocpp.settings import OcppSettings
from openadr_ra.drivers.ocpp.station import Station
from openadr_ra.drivers.orders import SAME_KW, Held, Orders, answer, silent, unreachable
from openadr_ra.protocol.model import ResourceId
from openadr_ra.protocol.parts import GOOD, LAST_KNOWN, LOCAL_OVERRIDE, NO_VALUE, LoadControlLevel, LoadControlState
from openadr_ra.protocol.schedule import Slot
from openadr_ra.protocol.times import FOREVER
from openadr_ra.seams import Ack, Clock, Descriptor, Measurement, Setpoint

SECOND = timedelta(seconds=1)
STALE = timedelta(minutes=1)
"""Older samples are no longer those of now."""

READ_BACK_EVERY = timedelta(seconds=30)
"""So often a charger that holds a limit of ours is asked which one it follows."""

REACTS_S = 5.0
"""A car follows a new current within so many seconds (IEC 61851-1)."""

OVERRIDE = "local override"
