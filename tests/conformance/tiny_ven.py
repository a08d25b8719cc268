"""A small VEN, right by default, that can be made wrong in one thing at a time. It lives in the test's own loop."""

from __future__ import annotations

import asyncio

from conformance.events_seen import length_s
from conformance.message import Message
from tests.conformance import tiny_ven_reports as reports
from tests.conformance.tiny_ven_hearing import VenHearing
from tests.conformance.tiny_ven_state import HAMMER_S, LONGEST_PAUSE_S

NOBODY_S = 5.0
"""A VEN without a registration sits still for so long at a time."""


class TinyVen(VenHearing):
    """All of it: `live` is its life."""

    # -- its life ------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Register, and poll if that is the way; until cancelled."""
        if self.wrong("never registers"):
            return
        if not self.kept.active:
            await self.register()
        else:
            if self.wrong("mixes ids"):
                self.kept.ven_id = "mixed"
            for asked in tuple(self.kept.asked.values()):
                self.serve_report(asked)
        while True:
            if self.kept.active and self.polls:
                await self._poll_round()
            await asyncio.sleep(self.pause_s)

    @property
    def polls(self) -> bool:
        return (self.mode == "pull" and not self.wrong("never polls")) or self.wrong("polls though pushed to")

    @property
    def pause_s(self) -> float:
        if not self.kept.active:
            return NOBODY_S
        if self.wrong("polls too often"):
            return self.kept.poll_s / 5
        return self.kept.poll_s * 30.0 if self.wrong("polls seldom") else self.kept.poll_s

    async def register(self, *, anew: bool = False) -> None:
        """Register, and bring in what follows from a new registration (rules 301, 405, 406)."""
        kept = self.kept
        again = bool(kept.registration_id) and not anew and not self.wrong("new registration when asked")
        own = again or self.wrong("keeps its ids for the new")
        created = await self.say(
            "oadrCreatePartyRegistration",
            registration_id=(kept.registration_id or "mine") if own else None,
            ven_id=kept.ven_id if own else self.assigned_id or None,
            profile="2.0b",
            transport="simpleHttp",
            address=self.address or None,
            report_only=self.report_only,
            xml_signature=self.guard.able,
            ven_name="tiny",
            pull="true" if self.mode == "pull" else "false",
        )
        refused = created.code != "200" and not self.wrong("registers whatever is said")
        if refused or self.deaf_to(created) is not None or created.kind != "oadrCreatedPartyRegistration":
            return await self._refused(again=again)
        before = kept.registration_id
        kept.active, kept.registration_id = True, created.text("./ei:registrationID") or ""
        kept.ven_id = created.text("./ei:venID") or kept.ven_id
        if self.wrong("keeps its own venID"):
            kept.ven_id = self.assigned_id or "own-name"
        kept.vtn_id = created.text("./ei:vtnID") or ""
        self._adopt_frequency(created)
        if kept.registration_id != before or self.wrong("forgets at each registration"):
            self._forget()
        self.deaf |= again and self.wrong("deaf after registering again")
        if kept.registration_id != before:
            await self._bootstrap()
        return None

    async def _refused(self, *, again: bool) -> None:
        """A registration that is not known any more is made anew."""
        if again:
            await self.register(anew=True)

    def _adopt_frequency(self, created: Message) -> None:
        said = created.text("./oadr:oadrRequestedOadrPollFreq/xcal:duration")
        first = self.kept.poll_s == 0
        if said and (first or not self.wrong("keeps the first frequency")):
            self.kept.poll_s = float(length_s(said))
        if self.wrong("poll frequency of its own") or not self.kept.poll_s:
            self.kept.poll_s = 10.0

    def _forget(self) -> None:
        if not self.wrong("keeps reports from the old"):
            for name in tuple(self.kept.asked):
                self.end_report(name)
        self.kept.book.forget()
        self.kept.opts.clear()

    async def _bootstrap(self) -> None:
        if not self.wrong("offers nothing at first") and not (self.offered_before and self.wrong("offers once")):
            await self.offer()
        self.offered_before = True
        asks = not self.report_only or self.wrong("has events though it only reports")
        if self.wrong("asks for no events") or (self.asked_before and self.wrong("asks once")):
            return
        self.asked_before = True
        if asks:
            answer = await self.say("oadrRequestEvent")
            if answer.kind == "oadrDistributeEvent" and not self.wrong("no answer to what it asked for"):
                await self._told(answer)

    async def offer(self, request_id: str | None = None) -> None:
        """Say which reports there are, and take what is asked for in the answer."""
        raw = self.write("oadrRegisterReport", reports=reports.described(self.offered), report_request_id=request_id)
        asked = Message(raw, sender="subject")
        answer = await self.send(raw)
        if answer.has("./oadr:oadrReportRequest") and not self.wrong("no first requests"):
            own = self.wrong("acknowledges first requests by its own id")
            reply = self.create_reports(answer, self.fresh("request") if own else asked.request_id)
            await self.deliver(reply)

    # -- polls ---------------------------------------------------------------------------------------------------

    async def _poll_round(self) -> None:
        """One poll, and more as long as they bring something (rule 500)."""
        drained = False
        while self.kept.active and not self.given_up:
            answer = await self.say("oadrPoll")
            if answer.kind == "oadrCreateReport" and self.wrong("loses reports of a queue") and drained:
                continue
            drained = True
            if answer.kind in ("", "oadrResponse"):
                await self._no_news(answer)
                if self.wrong("hammers"):
                    await asyncio.sleep(HAMMER_S)
                elif self.wrong("hammers and does not listen"):
                    continue
                elif not self.wrong("drains for ever") or not answer.kind:
                    return
                continue
            await self._told(answer)
            if self.wrong("never drains"):
                return

    async def _no_news(self, answer: Message) -> None:
        """A poll brought nothing, or a refusal: a registration that the VTN does not know is made anew, now and then."""
        odd = not answer.kind or answer.code[:1] == "4" or "xml" not in (answer.header("Content-Type") or "")
        self.deaf |= not answer.kind and self.wrong("deaf after an error")
        self.given_up |= odd and self.wrong("gives up polls")
        at_s = asyncio.get_running_loop().time()
        if answer.code == "463" and at_s >= self.anew_at_s:
            self.anew_at_s = at_s + LONGEST_PAUSE_S
            await self.register(anew=True)

    async def _told(self, message: Message) -> None:
        """Hear what an answer of the VTN brings, and post what is to be said to it."""
        answer = self.hear(message)
        if answer is not None:
            await self.deliver(answer)
