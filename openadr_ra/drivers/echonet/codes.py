"""Properties by their codes, and what their bytes mean. A class of devices gives its own codes from 0xA0 on.

Numbers are big-endian. The two highest of an unsigned one and both ends of a signed one say that the value does not fit
(overflow, underflow) or is not known; these, and values of another length, are no values here.
"""

from __future__ import annotations

from collections.abc import Mapping

STATUS = 0x80
FAULT = 0x88
REMOTE = 0x93

ON, OFF = b"\x30", b"\x31"
FAULTY, SOUND = b"\x41", b"\x42"

LAST_LOCAL, LAST_REMOTE = b"\x41", b"\x42"
"""0x93: the last operation was made on the spot, or from outside."""
LOCAL_ONLY, REMOTE_TOO = b"\x61", b"\x62"
"""0x93: operation from outside is barred, or possible."""

# Storage battery and EV charger/discharger
MODE = 0xDA
CHARGE_W, DISCHARGE_W = 0xEB, 0xEC
CHARGE_RANGE_W, DISCHARGE_RANGE_W = 0xC8, 0xC9
NOW_W = 0xD3
REMAINING_PERCENT = 0xE4

RAPID, CHARGING, DISCHARGING, STANDBY = b"\x41", b"\x42", b"\x43", b"\x44"
TEST, AUTO, IDLE, RESTART, RECOUNT = b"\x45", b"\x46", b"\x47", b"\x48", b"\x49"

MAXIMUM, SURPLUS, DESIGNATED = b"\x01", b"\x02", b"\x03"
"""Methods of charging and discharging: all it can; by surplus, or by the load; the power that is set."""

# Home PV
LIMIT_PERCENT, LIMIT_W = 0xA0, 0xA1
CLIP_W = 0xB4
APPROVED_W = 0xC3
RESTRAINT = 0xD1
OUTPUT_W, OUTPUT_WH = 0xE0, 0xE1
RATED_W = 0xE8

RESTRAINED, UNRESTRAINED = b"\x41", b"\x44"

Values = Mapping[int, bytes]


def unsigned(values: Values, epc: int, size: int) -> int | None:
    edt = values.get(epc, b"")
    number = int.from_bytes(edt)
    return number if len(edt) == size and number < (1 << 8 * size) - 2 else None


def signed(values: Values, epc: int, size: int) -> int | None:
    edt = values.get(epc, b"")
    number = int.from_bytes(edt, signed=True)
    return number if len(edt) == size and abs(number) < (1 << 8 * size - 1) - 1 else None


def percent(values: Values, epc: int) -> float | None:
    """A byte from 0 to 100."""
    number = unsigned(values, epc, 1)
    return number if number is not None and number <= 100 else None


def kilo(number: int | None) -> float | None:
    """W as kW, Wh and thousandths of a kWh as kWh."""
    return None if number is None else number / 1000


def span(values: Values, epc: int) -> tuple[float, float] | None:
    """The least and the largest power of a range, in kW; the least comes first."""
    edt = values.get(epc, b"")
    halves = {0: edt[:4], 1: edt[4:]}
    least, largest = kilo(unsigned(halves, 0, 4)), kilo(unsigned(halves, 1, 4))
    if least is None or largest is None or least > largest:
        return None
    return least, largest


def watts(kw: float, size: int) -> bytes:
    """A power without sign, as large as the bytes can say it."""
    largest = (1 << 8 * size) - 3
    return min(round(abs(kw) * 1000), largest).to_bytes(size)
