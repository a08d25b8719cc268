"""Who tells the VEN under test what its user or operator would: a person, an adapter of its interface, a Python class."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from conformance.adapter import Adapter, Value, time_text
from conformance.case import NotSupported
from conformance.prompt import asked
from conformance.subject import Places


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """When the VEN, or its `resources`, are available (optIn) or not. `name`: declared so before, and now to be revised;
    "": a new one. `spans`: start and length in seconds."""

    opt: str = "optOut"
    spans: tuple[tuple[datetime, int], ...]
    resources: tuple[str, ...] = ()
    market_context: str = ""
    name: str = ""


class VenOperator(Protocol):
    """Each raises NotSupported for what the VEN cannot be told, NeedsOperator where only a person could, and OSError or
    ValueError when the VEN's own interface fails."""

    async def opt_event(self, event_id: str, opt: str) -> None:
        """Have the VEN opt in to an event that it has, or out of it, by oadrCreateOpt."""
        ...

    async def declare(self, wish: Availability) -> str:
        """Have an availability schedule declared; the name by which it is revised or taken back."""
        ...

    async def retract(self, name: str) -> None:
        """Have a declared schedule taken back."""
        ...

    async def cancel_registration(self) -> None: ...

    async def query_registration(self) -> None: ...

    async def register_again(self) -> None:
        """Have the VEN register again under its registrationID, as when its own data change."""
        ...

    async def request_report(self, name: str, point: str) -> None:
        """Have the VEN ask for a report that the VTN offers, that point of it, every minute."""
        ...

    async def close(self) -> None: ...


class MuteVen:
    """Nobody can tell the VEN anything."""

    async def opt_event(self, event_id: str, opt: str) -> None:
        raise NotSupported("no operator opts for events")

    async def declare(self, wish: Availability) -> str:
        raise NotSupported("no operator declares availability")

    async def retract(self, name: str) -> None:
        raise NotSupported("no operator takes back availability")

    async def cancel_registration(self) -> None:
        raise NotSupported("no operator cancels the registration")

    async def query_registration(self) -> None:
        raise NotSupported("no operator queries the registration")

    async def register_again(self) -> None:
        raise NotSupported("no operator has the VEN register again")

    async def request_report(self, name: str, point: str) -> None:
        raise NotSupported("no operator has the VEN ask for reports")

    async def close(self) -> None:
        return


class VenAdapter:
    """Does what its table says, as `Adapter` does. Texts may hold `{event_id} {opt} {start} {end} {duration_s} {spans}
    {resources} {market_context} {id} {name} {point}`; of `declare`, `name` is "null" or the JSON text of the id."""

    def __init__(self, actions: dict[str, dict[str, object]], at: Places) -> None:
        self._table = Adapter(actions, at)

    async def opt_event(self, event_id: str, opt: str) -> None:
        await self._table.do("opt_event", {"event_id": event_id, "opt": opt})

    async def declare(self, wish: Availability) -> str:
        (start, length_s), *_ = wish.spans
        spans = [{"start": time_text(one), "end": time_text(one, plus_s=length)} for one, length in wish.spans]
        values: dict[str, Value] = {
            "opt": wish.opt,
            "start": time_text(start),
            "end": time_text(start, plus_s=length_s),
            "duration_s": length_s,
            "spans": msgspec.json.encode(spans).decode(),
            "resources": msgspec.json.encode(wish.resources).decode(),
            "market_context": wish.market_context,
            "name": msgspec.json.encode(wish.name or None).decode(),
        }
        asks = {
            "resources": bool(wish.resources),
            "market_context": bool(wish.market_context),
            "name": bool(wish.name),
            "spans": len(wish.spans) > 1,
        }
        return await self._table.do("declare", values, frozenset(name for name, used in asks.items() if used))

    async def retract(self, name: str) -> None:
        await self._table.do("retract", {"id": name})

    async def cancel_registration(self) -> None:
        await self._table.do("cancel_registration", {})

    async def query_registration(self) -> None:
        await self._table.do("query_registration", {})

    async def register_again(self) -> None:
        await self._table.do("register_again", {})

    async def request_report(self, name: str, point: str) -> None:
        await self._table.do("request_report", {"name": name, "point": point})

    async def close(self) -> None:
        return


class VenPrompt:
    """Each wish is a sentence to somebody at the keyboard."""

    async def opt_event(self, event_id: str, opt: str) -> None:
        await asked(f"have the VEN say {opt} for event {event_id}, by oadrCreateOpt; done (y)?")

    async def declare(self, wish: Availability) -> str:
        spans = ", ".join(f"{start:%Y-%m-%d %H:%M:%S}Z for {length} s" for start, length in wish.spans)
        of = f" of {', '.join(wish.resources)}" if wish.resources else ""
        context = f" in market context {wish.market_context}" if wish.market_context else ""
        instead = f", in place of {wish.name}" if wish.name else ""
        return await asked(f"have the VEN declare {wish.opt}{of}{context} at {spans}{instead}; your name for it?")

    async def retract(self, name: str) -> None:
        await asked(f"have the VEN take back the availability {name}; done (y)?")

    async def cancel_registration(self) -> None:
        await asked("have the VEN cancel its registration; done (y)?")

    async def query_registration(self) -> None:
        await asked("have the VEN query its registration; done (y)?")

    async def register_again(self) -> None:
        await asked("have the VEN register again, as when its own data change; done (y)?")

    async def request_report(self, name: str, point: str) -> None:
        await asked(f"have the VEN ask the VTN for point {point} of its report {name}, every minute; done (y)?")

    async def close(self) -> None:
        return
