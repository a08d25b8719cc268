"""What the tiny VTN holds, and how it brings things to its VENs: by their polls, or by push."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Literal

from conformance import clock, http, template
from conformance.identity import Identity
from conformance.message import SERVICES, Message
from conformance.play import PREFIX
from conformance.template import Hole
from tests.conformance import tiny_events
from tests.conformance.tiny_events import EventSwitch
from tests.conformance.tiny_party import Party, TinyEvent
from tests.conformance.tiny_reports import ReportSwitch
from tests.conformance.tiny_seal import Guard, SealSwitch
from tests.conformance.wrongs import Chokes, Front, Mutation, Takes, Tls

VTN_ID = "Tiny-VTN"
REPEAT_S = 0.3
"""After so long an unanswered cancellation is brought to the VEN again."""
PUSH_WITHIN_S = 3.0

OwnSwitch = Literal[
    "tells ids to anybody",
    "a query unregisters",
    "a query tells another id",
    "new ids each time",
    "the same registration",
    "only the first registration",
    "another venID",
    "no metadata of its own",
    "metadata again",
    "metadata once for all",
    "metadata after the VEN's",
    "forgets requests",
    "keeps requests",
    "forgets opts",
    "keeps opts",
    "new ones get no events",
    "keeps the old address",
    "keeps to push",
    "keeps to pull",
    "asks again and again",
    "stays registered",
    "bad cancel cancels",
    "anyone is anyone",
    "case does not matter",
    "nothing is delivered",
    "polls bring one thing only",
    "polls too often",
    "one queue for all",
    "brings events again and again",
    "never a plain response",
    "late answers are lost",
    "push VENs may poll",
    "ignores answers",
    "ignores optOut",
    "first answer counts",
    "answers once",
    "answers count for one event only",
    "forgets answers to other requests",
    "refusals opt in",
    "refused messages clear",
    "one bad spoils all",
    "acts on what it refuses",
    "acknowledgements do not count",
    "createdEvent wins",
    "createOpt wins for ever",
    "opt does not count",
    "first opt counts",
    "opts once",
    "opts twice are two",
    "optIDs are used up",
    "cancelled opts stay",
    "cancels opts of others",
    "resources are unknown",
    "expands entities",
    "fetches entities",
    "takes what is no message",
    "no schema",
    "refuses by oadrResponse",
    "holds a grudge",
]

Switch = OwnSwitch | EventSwitch | ReportSwitch | SealSwitch
Flaw = Switch | Mutation | Takes | Chokes | Front | Tls

Maker = Callable[[], bytes]


class State:
    """The VENs, their events and what they are to be told."""

    def __init__(
        self, *flaws: Flaw, identity: Identity | None = None, client_tls: ssl.SSLContext | None = None
    ) -> None:
        self.flaws = flaws
        self.switches = frozenset(one for one in flaws if isinstance(one, str))
        self.parties: dict[str, Party] = {}
        self.events: dict[str, TinyEvent] = {}
        self.guard = Guard(identity, self.wrong)
        self.client_tls = client_tls
        self.choked = False
        self.numbers = itertools.count(1)
        self.tasks: set[asyncio.Task[None]] = set()
        self.locks: dict[str, asyncio.Lock] = {}

    def wrong(self, switch: Switch) -> bool:
        return switch in self.switches

    def fresh(self, word: str) -> str:
        return f"tiny-{word}-{next(self.numbers)}"

    def write(self, kind: str, party: Party | None, /, **holes: Hole) -> bytes:
        """A right message of that kind."""
        usual: dict[str, Hole] = {
            "request_id": self.fresh("request"),
            "ven_id": party.ven_id if party is not None else None,
            "code": "200",
            "profiles": ("2.0b",),
            "vtn_id": VTN_ID,
            "poll_freq": None,
            "more": "",
            "pending": (),
            "requests": "",
            "reports": "",
            "cancel": "",
        }
        return template.message(kind, **{**usual, **holes})

    def mutated(self, raw: bytes) -> bytes:
        for flaw in self.flaws:
            raw = flaw.applied(raw) if isinstance(flaw, Mutation) else raw
        return raw

    # -- events --------------------------------------------------------------------------------------------------

    def events_of(self, party: Party) -> list[TinyEvent]:
        """In the order of a payload, those that belong into one now."""
        everybody = self.wrong("one queue for all")
        mine = [one for one in self.events.values() if everybody or one.wish.ven_id == party.ven_id]
        return tiny_events.listed(mine, clock.now(), self.wrong)

    def distribution(self, party: Party, *, request_id: str | None = None, limit: int | None = None) -> bytes:
        """An oadrDistributeEvent as of now; what is cancelled in it counts as sent."""
        now = clock.now()
        shown = tiny_events.limited(self.events_of(party), limit, self.wrong)
        if self.wrong("only what changed") and request_id is None:
            shown = [one for one in shown if one.id == party.changed]
        for one in shown:
            one.sent += 1 if one.cancelled else 0
            one.told = now
        party.events_due = party.polled_since = False
        own_id = request_id or self.fresh("request")
        party.request_ids.add(own_id)
        return self.write(
            "oadrDistributeEvent",
            None,
            code="200" if party.pull or request_id is not None else None,
            request_id=own_id,
            events="".join(self._written(one, now) for one in shown),
        )

    def _written(self, event: TinyEvent, now: datetime) -> str:
        text = tiny_events.written(event, now, self.wrong)
        if event.former is None or not self.wrong("keeps both"):
            return text
        old = TinyEvent(id=event.id, wish=event.former, made=event.made, number=event.number - 1)
        return tiny_events.written(old, now, self.wrong) + text

    def events_changed(self, event: TinyEvent) -> None:
        """Have its VEN told, and again as long as it does not acknowledge a cancellation (rule 52)."""
        for party in self.parties.values():
            mine = party.ven_id == event.wish.ven_id or self.wrong("one queue for all")
            if mine and party.active and not party.report_only:
                party.changed, party.events_due = event.id, True
                self.kick(party)

    def repeat_due(self, party: Party) -> bool:
        """Is a cancellation to be brought again?"""
        before = clock.now() - timedelta(seconds=REPEAT_S)
        return any(
            one.cancelled and one.sent > 0 and one.told is not None and one.told < before
            for one in self.events_of(party)
        )

    # -- telling -------------------------------------------------------------------------------------------------

    def tell(self, party: Party, *makers: Maker) -> None:
        """Have the VEN told, by its next polls or by push."""
        if self.wrong("nothing is delivered"):
            return
        party.queue.extend(makers)
        self.kick(party)

    def next_for(self, party: Party) -> bytes | None:
        """What the VEN is told next; None if nothing."""
        if self.wrong("polls bring one thing only") and party.queue:
            party.events_due, party.queue[1:] = False, []
        if party.queue:
            return party.queue.pop(0)()
        if self.wrong("nothing is delivered"):
            return None
        again = self.wrong("brings events again and again") and party.plain and self.events_of(party)
        party.plain = not (party.events_due or self.repeat_due(party) or again)
        return None if party.plain else self.distribution(party)

    def kick(self, party: Party) -> None:
        """Begin to push to a VEN that is pushed to."""
        if party.pull or not party.address or self.wrong("keeps to pull"):
            return
        self.spawn(self._push(party))

    def spawn(self, doing: Coroutine[None, None, None]) -> None:
        """Have it done besides, until the VTN ends."""
        task = asyncio.get_running_loop().create_task(doing)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _push(self, party: Party) -> None:
        async with self.locks.setdefault(party.ven_id, asyncio.Lock()):
            while not party.pull and (body := self.next_for(party)) is not None:
                await self._post(party, body)
        if any(one.cancelled for one in self.events_of(party)):
            await asyncio.sleep(REPEAT_S * 1.1)
            if self.repeat_due(party):
                self.kick(party)

    async def _post(self, party: Party, body: bytes) -> None:
        raw = self.guard.sealed(body) if party.signs else body
        raw = self.mutated(raw)
        kind = Message(body, sender="harness").kind
        path = f"{PREFIX}/{SERVICES.get(kind, 'EiRegisterParty')}"
        headers = http.usual_headers(party.address.split("://")[-1], raw)
        for flaw in self.flaws:
            if isinstance(flaw, Mutation) and flaw.concerns(Message(body, sender="harness")):
                headers = tuple(
                    (name, flaw.media or value if name == "Content-Type" else value) for name, value in headers
                )
                headers = tuple((name, value) for name, value in headers if name != flaw.lose)
        sent = (http.request_bytes(path, headers, raw),)
        try:
            answer = await http.exchange(party.address, sent, tls=self.client_tls, within_s=PUSH_WITHIN_S)
        except http.NoAnswer:
            return
        if answer.status == 200 and answer.body:
            self.answered(Message(answer.body, sender="harness", headers=answer.headers), party)

    def answered(self, message: Message, party: Party) -> None:
        """What a VEN answers to what it was told, by post or in the answer to a push."""
        match message.kind:
            case "oadrCanceledPartyRegistration":
                party.active = self.wrong("stays registered")
                party.forget()
            case "oadrRegisteredReport":
                self.requested(message, party)
            case "oadrUpdatedReport" if not self.wrong("answers cancel nothing"):
                for name in message.texts("./oadr:oadrCancelReport/ei:reportRequestID"):
                    party.owed.pop(name, None)
            case _:
                return

    def requested(self, message: Message, party: Party) -> None:
        """Take what a VEN asks for, as far as it can be had."""
        raise NotImplementedError
