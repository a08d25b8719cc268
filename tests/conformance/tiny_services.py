"""What the tiny VTN answers to its registered VENs: polls, events, opts and reports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from conformance.message import Element, Message
from tests.conformance import tiny_opts, tiny_own, tiny_reports
from tests.conformance.tiny_party import Party, Refusal
from tests.conformance.tiny_reports import Wanted, text, texts
from tests.conformance.tiny_state import Maker, State

POLLS = 3
"""A VTN that does not like polls takes so many of them."""


class Services(State):
    """Each takes a message that is schema-valid and of a VEN that is known. Raises Refusal."""

    def poll(self, party: Party) -> bytes:
        if not party.pull and not self.wrong("push VENs may poll"):
            raise Refusal("451", "a push VEN does not poll")
        party.polls, party.polled_since = party.polls + 1, True
        if party.polls > POLLS and self.wrong("polls too often"):
            raise Refusal("459", "too many polls")
        told = self.next_for(party)
        if told is None and self.wrong("never a plain response"):
            return self.distribution(party)
        return told or self.write("oadrResponse", party, request_id="")

    # -- EiEvent -------------------------------------------------------------------------------------------------

    def request_event(self, message: Message, party: Party) -> bytes:
        limit = message.text("./pyld:eiRequestEvent/pyld:replyLimit")
        request_id = message.text("./pyld:eiRequestEvent/pyld:requestID") or ""
        return self.distribution(party, request_id=request_id, limit=None if limit is None else int(limit))

    def created_event(self, message: Message, party: Party) -> bytes:
        """Good answers count even if others in the message are bad (rule 25); the first bad one gives the code."""
        responses = message.all("./pyld:eiCreatedEvent/ei:eventResponses/ei:eventResponse")
        if not responses and self.wrong("refused messages clear"):
            self.events = {name: one for name, one in self.events.items() if one.wish.ven_id != party.ven_id}
        bad: Refusal | None = None
        for one in responses:
            try:
                self._opted(one, party)
                failed = text(one, "ei:responseCode") != "200"
            except Refusal as refusal:
                bad, failed = bad or refusal, True
            if failed and self.wrong("one bad spoils all"):
                party.opts.clear()
        if bad is not None:
            raise bad
        return self.write("oadrResponse", party, request_id=message.request_id)

    def _opted(self, response: Element, party: Party) -> None:
        event_id, opt = text(response, "ei:qualifiedEventID/ei:eventID"), text(response, "ei:optType")
        event = self.events.get(event_id)
        if event is None or event.wish.ven_id != party.ven_id:
            raise Refusal("452", f"event {event_id} is not known")
        if text(response, "ei:qualifiedEventID/ei:modificationNumber") != str(event.number):
            if self.wrong("acts on what it refuses"):
                party.opts[event_id] = opt
            raise Refusal("450", f"event {event_id} has number {event.number}")
        if event.cancelled:
            event.acknowledged = not self.wrong("acknowledgements do not count")
        elif event_id not in party.chosen or self.wrong("createdEvent wins"):
            refuses = text(response, "ei:responseCode") != "200" and self.wrong("refusals opt in")
            self._choose(party, event_id, "optIn" if refuses else opt, text(response, "pyld:requestID"))

    def _choose(self, party: Party, event_id: str, opt: str, request_id: str) -> None:
        if party.opts.get(event_id) == opt and self.wrong("answers once"):
            raise Refusal("459", "it was answered")
        lost = (
            self.wrong("ignores answers")
            or (self.wrong("ignores optOut") and opt == "optOut")
            or (self.wrong("first answer counts") and event_id in party.opts)
            or (self.wrong("answers count for one event only") and bool(party.opts) and event_id not in party.opts)
            or (self.wrong("late answers are lost") and party.polled_since)
            or (self.wrong("forgets answers to other requests") and request_id not in party.request_ids)
        )
        if not lost:
            party.opts[event_id] = opt

    # -- EiOpt ---------------------------------------------------------------------------------------------------

    def create_opt(self, message: Message, party: Party) -> bytes:
        event_id = message.text(f"{tiny_opts.EVENT}/ei:eventID") or ""
        event = self.events.get(event_id)
        opt_id, opt = message.text("./ei:optID") or "", message.text("./ei:optType") or ""
        try:
            tiny_opts.check(message, party, event if event is not None and event.wish.ven_id == party.ven_id else None)
        except Refusal:
            if event is not None and self.wrong("acts on what it refuses"):
                self.parties[event.wish.ven_id].opts[event_id] = opt
            raise
        taken = (opt_id in party.schedules and self.wrong("opts once")) or self.wrong("optIDs are used up")
        if opt_id in party.used and taken:
            raise Refusal("452", f"{opt_id} is used")
        party.used.append(opt_id)
        party.schedules[opt_id] = event_id
        kept = event_id in party.chosen and self.wrong("first opt counts")
        if event_id and not kept and not self.wrong("opt does not count"):
            party.opts[event_id] = opt
            party.chosen.add(event_id)
        return self.write("oadrCreatedOpt", party, request_id=message.request_id, opt_id=opt_id)

    def cancel_opt(self, message: Message, party: Party) -> bytes:
        opt_id = message.text("./ei:optID") or ""
        everybody = self.parties.values() if self.wrong("cancels opts of others") else (party,)
        owner = next((one for one in everybody if opt_id in one.schedules), None)
        if owner is None:
            raise Refusal("452", f"opt {opt_id} is not known")
        stays = self.wrong("cancelled opts stay")
        if self.wrong("opts twice are two") and owner.used.count(opt_id) > 1:
            owner.used.remove(opt_id)
            stays = True
        if not stays:
            event_id = owner.schedules.pop(opt_id)
            owner.chosen -= set() if self.wrong("createOpt wins for ever") else {event_id}
        return self.write("oadrCanceledOpt", party, request_id=message.request_id, opt_id=opt_id)

    # -- EiReport, the VEN reports -------------------------------------------------------------------------------

    def register_report(self, message: Message, party: Party) -> bytes:
        with self._noted(party):
            offers = tiny_reports.offered(message)
        party.offers = {**party.offers, **offers} if self.wrong("adds to the metadata") else offers
        party.resources = set() if self.wrong("resources are unknown") else tiny_reports.resources(message)
        if self.wrong("metadata after the VEN's"):
            self.tell(party, self.metadata_of(party))
        request = message.text("./ei:reportRequestID")
        if request and request not in party.asked:
            raise Refusal("452", f"request {request} is not known")
        return self.write("oadrRegisteredReport", party, request_id=message.request_id)

    def update_report(self, message: Message, party: Party) -> bytes:
        reports = message.all("./oadr:oadrReport")
        with self._noted(party):
            for report in reports:
                tiny_reports.check_update(report, party)
        for request in {text(report, "ei:reportRequestID") for report in reports}:
            tiny_reports.updated(party, request, self.wrong)
        return self.write("oadrUpdatedReport", party, request_id=message.request_id)

    @contextlib.contextmanager
    def _noted(self, party: Party) -> Iterator[None]:
        """What is refused inside is held against the VEN, where the VTN holds a grudge."""
        if party.spoilt and self.wrong("holds a grudge"):
            raise Refusal("459", "once too often")
        try:
            yield
        except Refusal:
            party.spoilt = True
            raise

    # -- EiReport, the VTN reports -------------------------------------------------------------------------------

    def create_report(self, message: Message, party: Party) -> bytes:
        self.requested(message, party)
        return self.write(
            "oadrCreatedReport", party, request_id=message.request_id, pending=tuple(self._pending(party, message))
        )

    def requested(self, message: Message, party: Party) -> None:
        requests = message.all("./oadr:oadrReportRequest")
        wanted = [tiny_reports.check_request(one, party, self.wrong) for one in requests]
        if len({one.name for one in wanted}) < len(wanted) and not self.wrong("takes any request id"):
            raise Refusal("459", "one reportRequestID twice")
        for one in wanted[:1] if self.wrong("one request only") else wanted:
            party.owed[one.name] = one.back_s
            self._report(party, one)

    def _pending(self, party: Party, message: Message) -> Iterator[str]:
        if self.wrong("pending is empty"):
            return
        newest = {
            found for one in message.all("./oadr:oadrReportRequest") for found in texts(one, "ei:reportRequestID")
        }
        for name in party.owed:
            if not self.wrong("pending is the newest") or name in newest:
                yield name

    def _report(self, party: Party, wanted: Wanted) -> None:
        """Tell what was asked for: at once, and METADATA and data every `back_s` if that is more than zero (rule 306)."""
        maker = self._maker(party, wanted)
        if self.wrong("no metadata on demand" if wanted.metadata else "no data on demand"):
            return
        if wanted.metadata or wanted.back_s == 0:
            self.tell(party, maker)
        if wanted.back_s == 0 or self.wrong("periodic ends after one"):
            return

        async def again() -> None:
            while party.active and (wanted.name in party.owed or self.wrong("goes on after the end")):
                await asyncio.sleep(wanted.back_s)
                if wanted.name in party.owed or self.wrong("goes on after the end"):
                    self.tell(party, maker)

        self.spawn(again())

    def _maker(self, party: Party, wanted: Wanted) -> Maker:
        name = "another" if self.wrong("reports to another request") else wanted.name

        def made() -> bytes:
            if wanted.back_s == 0:
                party.owed.pop(wanted.name, None)
            if wanted.metadata:
                return self.metadata_of(party, name)()
            return self.write("oadrUpdateReport", party, reports=tiny_own.values(name, wanted.points))

        return made

    def metadata_of(self, party: Party, request: str | None = None) -> Maker:
        """The VTN's own METADATA."""
        return lambda: self.write("oadrRegisterReport", party, report_request_id=request, reports=tiny_own.metadata())

    def cancel_report(self, message: Message, party: Party) -> bytes:
        names = message.texts("./ei:reportRequestID")
        unknown = [one for one in names if one not in party.owed]
        if unknown and not self.wrong("takes any cancellation"):
            raise Refusal("452", f"requests {unknown} are not known")
        for name in tuple(party.owed) if self.wrong("cancels all") else names:
            if not self.wrong("keeps what was asked"):
                party.owed.pop(name, None)
        follows = message.text("./pyld:reportToFollow") == "true"
        if self.wrong("follows up unasked") or (follows and not self.wrong("nothing to follow")):
            for name in names:
                self.tell(party, self._maker(party, Wanted(name=name, back_s=1.0)))
        return self.write(
            "oadrCanceledReport", party, request_id=message.request_id, pending=tuple(self._pending(party, message))
        )
