"""States, letters and instants as they are stored, and read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TypeVar

import msgspec

from openadr_ra.errors import InvalidData, StoreError
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.step import AnyLetter, Key, State
from openadr_ra.store.pool import Pool

S = TypeVar("S", bound=State)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_encoder = msgspec.json.Encoder()
_letters: msgspec.json.Decoder[AnyLetter] = msgspec.json.Decoder(AnyLetter)
_looked_through: set[type[State]] = set()
_looking = Lock()
_rows = msgspec.json.Decoder(dict[str, object])
_pool = Pool()


def micros(when: datetime) -> int:
    """Whole microseconds since 1970 in UTC; exact for every aware datetime."""
    return (when - _EPOCH) // _MICROSECOND


def instant(us: int) -> datetime:
    """The datetime, in UTC, of which `micros` is `us`."""
    return _EPOCH + timedelta(microseconds=us)


def span_micros(span: timedelta) -> int:
    """The span in whole microseconds, exact."""
    return span // _MICROSECOND


def text(value: Value) -> str:
    """`value` as JSON. Raises InvalidData if it could not be read again as the same value: it holds NaN or infinity."""
    written = _encoder.encode(value)
    # JSON has no word for a number that is none: it would come back as None, or not at all. None itself may be there.
    if b"null" in written:
        _check(value, written)
    return written.decode()


def _check(value: Value, written: bytes) -> None:
    cure = f"{type(value).__name__} holds a number that is none; it must be refused before it enters a state"
    try:
        again = msgspec.json.decode(written, type=type(value))
    except msgspec.ValidationError as error:
        raise InvalidData(f"{cure}: {error}") from error
    if again != value:
        raise InvalidData(cure)


def learn() -> None:
    """Know how to read all kinds of rows that there are by now. For who opens a store, before its threads read any."""
    kinds: list[type[State]] = [State]
    for kind in kinds:
        kinds += kind.__subclasses__()
        _look_through(kind)


def _look_through(kind: type[State]) -> None:
    """Have msgspec look the class through, one thread at a time: it does so when it reads one first, and another thread that
    reads one meanwhile would end the process."""
    if kind not in _looked_through:
        with _looking:
            msgspec.json.Decoder(kind)
            _looked_through.add(kind)


def state(key: Key, kind: type[S], name: str, written: int, body: str, *, stays: bool = False) -> S:
    """The row read from its JSON, which was written as a `name` in format `written`; older formats are upgraded. One that
    `stays` in memory shares with others what is equal in them.

    Raises StoreError for another kind, for a format this program does not know yet, and for what cannot be read.
    """
    if name != kind.__name__:
        raise StoreError(f"row {key} holds a {name}, not a {kind.__name__}; it was stored under another key's name")
    if written > kind.format:
        raise StoreError(
            f"row {key} was written by a newer openadr-ra ({name} format {written}, this one reads up to "
            f"{kind.format}): update the program"
        )
    try:
        if written == kind.format:
            _look_through(kind)
            read = msgspec.json.decode(body, type=kind)
            return _pool.share(read) if stays else read
        return msgspec.convert(kind.upgrade(_rows.decode(body), written), kind, str_keys=True)
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise StoreError(f"row {key} cannot be read as {name} ({error}); restore it from a backup") from error


def letter(key: Key, body: str) -> AnyLetter:
    """The letter of that JSON. Raises StoreError where it cannot be read."""
    try:
        return _letters.decode(body)
    except msgspec.DecodeError as error:
        raise StoreError(f"mail for {key} cannot be read ({error}); restore it from a backup") from error
