"""A small VTN, right by default, that can be made wrong in one thing at a time. It lives in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

import msgspec
from lxml import etree

from conformance import http, schema, template
from conformance.identity import Identity
from conformance.listen import Arrived, Reply, listening
from conformance.message import SERVICES, Message
from conformance.play import PREFIX, Sign, seconds
from conformance.template import Hole
from tests.conformance import tiny_events, tiny_opts, tiny_reports
from tests.conformance.tiny_events import EventSwitch
from tests.conformance.tiny_party import Asked, Party, Refusal, Rejected, TinyEvent
from tests.conformance.tiny_reports import ReportSwitch
from tests.conformance.tiny_seal import Guard, SealSwitch
from tests.conformance.wrongs import Chokes, Front, Mutation, Takes

VTN_ID = "Tiny-VTN"
MAX_BODY_BYTES = 1024 * 1024
REPEAT_S = 0.3
"""After so long an unanswered cancellation is brought to the VEN again."""
PUSH_WITHIN_S = 3.0

OwnSwitch = Literal[
    "tells ids to anybody",
    "a query registers",
    "new ids each time",
    "the same registration",
    "another venID",
    "no metadata of its own",
    "metadata again",
    "forgets requests",
    "keeps requests",
    "keeps events from the new",
    "keeps the old address",
    "keeps to push",
    "asks again and again",
    "stays registered",
    "bad cancel cancels",
    "anyone is anyone",
    "everything at once",
    "nothing is delivered",
    "one of each",
    "loses when answers are late",
    "newest first",
    "never a plain response",
    "push VENs may poll",
    "ignores optOut",
    "first answer counts",
    "createdEvent wins",
    "one bad spoils all",
    "takes unknown events",
    "takes stale numbers",
    "opt does not count",
    "case does not matter",
    "cancelled opts stay",
    "opts once",
    "expands entities",
    "fetches entities",
    "drops the name",
    "no vtn id",
    "drops the tail of texts",
    "limits to what it likes",
    "opts of others",
    "cancels opts of others",
]

Switch = OwnSwitch | EventSwitch | ReportSwitch | SealSwitch
Flaw = Switch | Mutation | Takes | Chokes | Front

REPLIES = {
    "oadrQueryRegistration": "oadrCreatedPartyRegistration",
    "oadrCreatePartyRegistration": "oadrCreatedPartyRegistration",
    "oadrCancelPartyRegistration": "oadrCanceledPartyRegistration",
    "oadrRegisterReport": "oadrRegisteredReport",
    "oadrCreateReport": "oadrCreatedReport",
    "oadrUpdateReport": "oadrUpdatedReport",
    "oadrCancelReport": "oadrCanceledReport",
    "oadrCreateOpt": "oadrCreatedOpt",
    "oadrCancelOpt": "oadrCanceledOpt",
}
"""In what a request is answered, or refused; everything else in an oadrResponse."""

VTN_ONLY = {
    "oadrDistributeEvent",
    "oadrCreatedOpt",
    "oadrCanceledOpt",
    "oadrCreatedPartyRegistration",
    "oadrRequestReregistration",
}
WITHOUT_REGISTRATION = {"oadrQueryRegistration", "oadrCreatePartyRegistration"}
VEN_ID = "./ei:venID | ./pyld:eiRequestEvent/ei:venID | ./pyld:eiCreatedEvent/ei:venID"
EVENT_KINDS = {"oadrRequestEvent", "oadrCreatedEvent", "oadrCreateOpt", "oadrCancelOpt"}


class TinyVtn:
    """All of it. `operator` of tests/conformance/tiny_operator.py tells it what to do."""

    def __init__(self, *flaws: Flaw, identity: Identity | None = None, client_tls: ssl.SSLContext | None = None) -> None:
        self.flaws = flaws
        self.switches = frozenset(one for one in flaws if isinstance(one, str))
        self.parties: dict[str, Party] = {}
        self.events: dict[str, TinyEvent] = {}
        self.guard = Guard(identity, self.wrong)
        self.client_tls = client_tls
        self.choked = False
        self.numbers = itertools.count(1)
        self.tasks: set[asyncio.Task[None]] = set()
        self.pushing: dict[str, asyncio.Lock] = {}

    def wrong(self, switch: Switch) -> bool:
        return switch in self.switches

    def fresh(self, word: str) -> str:
        return f"tiny-{word}-{next(self.numbers)}"

    # -- HTTP ----------------------------------------------------------------------------------------------------

    async def handle(self, arrived: Arrived) -> Reply:
        """One request, with whatever flaw there is."""
        for flaw in self.flaws:
            if isinstance(flaw, Chokes) and (self.choked or flaw.meets(arrived)):
                self.choked = flaw.after
                return flaw.reply(self.write("oadrResponse", None, request_id=""))
        try:
            message = _heard(arrived)
            body = self._answer(message, arrived)
        except Rejected as rejected:
            return Reply(status=rejected.status)
        return self._going(body)

    def _going(self, body: bytes) -> Reply:
        """The answer with its headers, mutated where there is a flaw in them."""
        changed = self.mutated(body)
        headers = {"Content-Length": str(len(changed)), "Content-Type": "application/xml; charset=utf-8"}
        status = 200
        for flaw in self.flaws:
            if isinstance(flaw, Mutation) and flaw.concerns(Message(body, sender="subject")):
                status = flaw.status or status
                headers.pop(flaw.lose, None)
                headers["Content-Type"] = flaw.media or headers.get("Content-Type", "")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        if "Content-Length" not in headers:
            return Reply(raw=f"HTTP/1.1 {status} -\r\n{lines}Connection: close\r\n\r\n".encode() + changed)
        if "Content-Type" not in lines:
            return Reply(raw=f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + changed)
        return Reply(status=status, body=changed, headers=tuple(headers.items()))

    def mutated(self, raw: bytes) -> bytes:
        for flaw in self.flaws:
            raw = flaw.applied(raw) if isinstance(flaw, Mutation) else raw
        return raw

    def _answer(self, message: Message, arrived: Arrived) -> bytes:
        service = arrived.path.removeprefix(f"{PREFIX}/")
        party: Party | None = None
        try:
            if faults := schema.faults(message):
                raise Refusal("454", faults[0][0])
            if message.kind not in ("oadrResponse", "oadrPoll") and SERVICES[message.kind] != service:
                raise Refusal("453", f"{message.kind} is not of {service}")
            if message.kind == "oadrPoll" and service != "OadrPoll":
                raise Refusal("453", f"{message.kind} is not of {service}")
            party = self._party(message, arrived)
            self.guard.check(message, arrived, party)
            body = self._said(message, arrived, party)
        except Refusal as refusal:
            body = self._refused(message, refusal)
        signs = message.signed or (party is not None and party.signs)
        return self.guard.sealed(body) if signs else body

    def _refused(self, message: Message, refusal: Refusal) -> bytes:
        code = refusal.code
        for flaw in self.flaws:
            if isinstance(flaw, Takes) and flaw.kind in ("", message.kind):
                code = flaw.code
        if code == "200" and message.kind == "oadrRequestEvent":
            return self.write("oadrDistributeEvent", None, request_id="", vtn_id=VTN_ID, events="")
        ids: dict[str, Hole] = {}
        if code == "200" and message.kind == "oadrCreatePartyRegistration":
            ids = {"registration_id": self.fresh("registration"), "ven_id": self.fresh("ven")}
        kind = REPLIES.get(message.kind, "oadrResponse")
        opt_id = message.text("./ei:optID") or ""
        return self.write(
            kind, None, request_id=message.request_id, code=code, description=str(refusal), opt_id=opt_id, **ids
        )

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

    # -- who speaks ----------------------------------------------------------------------------------------------

    def _party(self, message: Message, arrived: Arrived) -> Party | None:
        """The registered VEN that says it; None where none needs to be."""
        if message.kind in WITHOUT_REGISTRATION:
            return self._known(arrived.fingerprint) if arrived.fingerprint else None
        ven_id = message.text(VEN_ID)
        party = self.parties.get(ven_id or "") if ven_id else self._known(arrived.fingerprint)
        if party is None and ven_id and self.wrong("case does not matter"):
            party = next((one for one in self.parties.values() if one.ven_id.lower() == ven_id.lower()), None)
        if party is None:
            raise Refusal("452" if self.parties else "463", f"venID {ven_id} is not known")
        if party.fingerprint != arrived.fingerprint and not self.wrong("anyone is anyone"):
            raise Refusal("463", "another VEN's certificate")
        if not party.active and not self.wrong("stays registered"):
            raise Refusal("463", f"{ven_id} is not registered")
        if party.report_only and message.kind in EVENT_KINDS:
            raise Refusal("451", "a report-only VEN has no events and opts")
        return party

    def _known(self, key: str) -> Party | None:
        return next((one for one in self.parties.values() if key and one.key == key), None)

    def _said(self, message: Message, arrived: Arrived, party: Party | None) -> bytes:
        if message.kind == "oadrQueryRegistration":
            return self._query(message, party)
        if message.kind == "oadrCreatePartyRegistration":
            return self._register(message, arrived)
        if message.kind in VTN_ONLY or party is None:
            raise Refusal("451", f"{message.kind} is not for a VTN")
        match message.kind:
            case "oadrCancelPartyRegistration":
                return self._cancel_registration(message, party)
            case "oadrPoll":
                return self._poll(party)
            case "oadrRequestEvent":
                return self._request_event(message, party)
            case "oadrCreatedEvent":
                return self._created_event(message, party)
            case "oadrCreateOpt":
                return self._create_opt(message, party)
            case "oadrCancelOpt":
                return self._cancel_opt(message, party)
            case "oadrRegisterReport":
                return self._register_report(message, party)
            case "oadrUpdateReport":
                return self._update_report(message, party)
            case "oadrCreateReport":
                return self._create_report(message, party)
            case "oadrCancelReport":
                return self._cancel_report(message, party)
            case _:
                self.answered(message, party)
                return self.write("oadrResponse", party, request_id=message.request_id)

    # -- EiRegisterParty -----------------------------------------------------------------------------------------

    def _query(self, message: Message, party: Party | None) -> bytes:
        told = party if party is not None and party.active else None
        if told is None and self.wrong("tells ids to anybody"):
            told = next(iter(self.parties.values()), Party(ven_id="ven", key="", fingerprint="", registration_id="r"))
        if self.wrong("a query registers"):
            self.parties.setdefault("", Party(ven_id="", key="", fingerprint=""))
        return self._created(message, told)

    def _created(self, message: Message, party: Party | None) -> bytes:
        return self.write(
            "oadrCreatedPartyRegistration",
            party,
            request_id=message.request_id,
            registration_id=party.registration_id if party is not None else None,
            poll_freq=seconds(1) if party is None or party.pull else None,
        )

    def _register(self, message: Message, arrived: Arrived) -> bytes:
        pull, address = message.text("./oadr:oadrHttpPullModel"), message.text("./oadr:oadrTransportAddress")
        if message.text("./oadr:oadrProfileName") != "2.0b" or message.text("./oadr:oadrTransportName") != "simpleHttp":
            raise Refusal("459", "only 2.0b over simpleHttp")
        if pull is None or (pull == "false" and not address):
            raise Refusal("459", "pull or push, and where to?")
        signs = message.text("./oadr:oadrXmlSignature") == "true"
        if signs and not self.guard.able:
            raise Refusal("459", "no signatures here")
        if signs and not message.signed:
            raise Refusal("459", "it is not signed")
        party = self._renewed(message, arrived) or self._new(message, arrived)
        was_pull = party.pull
        party.pull = pull == "true" and not (not was_pull and self.wrong("keeps to push"))
        if not self.wrong("keeps the old address") or not party.address:
            party.address = (address or "").rstrip("/")
        party.report_only, party.signs = message.text("./oadr:oadrReportOnly") == "true", signs
        self._kick(party)
        return self._created(message, party)

    def _renewed(self, message: Message, arrived: Arrived) -> Party | None:
        """The registration that is only said again; None for a new one."""
        said, ven_id = message.text("./ei:registrationID"), message.text("./ei:venID")
        if said is None:
            return None
        party = next((one for one in self.parties.values() if one.active and one.registration_id == said), None)
        if party is None or (ven_id is not None and party.ven_id != ven_id):
            raise Refusal("452", "these ids are not known")
        if party.fingerprint != arrived.fingerprint and not self.wrong("anyone is anyone"):
            raise Refusal("463", "another VEN's registration")
        if self.wrong("new ids each time"):
            party.registration_id = self.fresh("registration")
        if self.wrong("metadata again"):
            self.tell(party, self._metadata_of(party))
        if self.wrong("forgets requests"):
            party.asked.clear()
        return party

    def _new(self, message: Message, arrived: Arrived) -> Party:
        ven_id, name = message.text("./ei:venID"), message.text("./oadr:oadrVenName")
        key = arrived.fingerprint or name or self.fresh("key")
        party = self._known(key) or (self.parties.get(ven_id) if ven_id else None)
        if party is None:
            party = Party(ven_id=ven_id or self.fresh("ven"), key=key, fingerprint=arrived.fingerprint)
        if party.fingerprint != arrived.fingerprint:
            raise Refusal("463", "another VEN's venID")
        if self.wrong("another venID"):
            party.ven_id = self.fresh("ven")
        self.parties[party.ven_id] = party
        kept = dict(party.asked) if self.wrong("keeps requests") else {}
        party.forget()
        party.asked = kept
        party.active, party.pull, party.events_due = True, True, False
        if not (party.registration_id and self.wrong("the same registration")):
            party.registration_id = self.fresh("registration")
        if self.wrong("keeps events from the new"):
            self.events = {key: one for key, one in self.events.items() if one.wish.ven_id != party.ven_id}
        if not self.wrong("no metadata of its own"):
            self.tell(party, self._metadata_of(party))
        return party

    def _cancel_registration(self, message: Message, party: Party) -> bytes:
        if message.text("./ei:registrationID") != party.registration_id:
            if self.wrong("bad cancel cancels"):
                party.active = False
            raise Refusal("452", "another registrationID")
        party.active = False
        party.forget()
        return self.write(
            "oadrCanceledPartyRegistration",
            party,
            request_id=message.request_id,
            registration_id=party.registration_id,
        )

    # -- telling -------------------------------------------------------------------------------------------------

    def tell(self, party: Party, *makers: Maker) -> None:
        """Have the VEN told, by its next polls or by push."""
        if self.wrong("nothing is delivered"):
            return
        if self.wrong("newest first"):
            party.queue[:0] = makers
        else:
            party.queue.extend(makers)
        self._kick(party)
