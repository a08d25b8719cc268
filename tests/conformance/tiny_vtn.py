"""A small VTN, right by default, that can be made wrong in one thing at a time. It lives in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
from lxml import etree

from conformance import http, schema
from conformance.listen import Arrived, Reply, listening
from conformance.message import NAMESPACES, SERVICES, Message
from conformance.play import PREFIX, seconds
from conformance.template import Hole
from tests.conformance.tiny_party import Party, Refusal, Rejected
from tests.conformance.tiny_services import Services
from tests.conformance.tiny_state import VTN_ID
from tests.conformance.wrongs import Chokes, Mutation, Takes

MAX_BODY_BYTES = 1024 * 1024

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


class TinyVtn(Services):
    """All of it. `operator` of tests/conformance/tiny_operator.py tells it what to do."""

    # -- HTTP ----------------------------------------------------------------------------------------------------

    async def handle(self, arrived: Arrived) -> Reply:
        """One request, with whatever flaw there is."""
        for flaw in self.flaws:
            if isinstance(flaw, Chokes) and (self.choked or flaw.meets(arrived)):
                self.choked = flaw.after
                return flaw.reply(self.write("oadrResponse", None, request_id=""))
        try:
            if self.wrong("fetches entities"):
                await _fetched(arrived.body)
            message = self._heard(arrived)
            body = self._answer(message, arrived)
        except Rejected as rejected:
            if rejected.status != 400 or not self.wrong("takes what is no message"):
                return Reply(status=rejected.status)
            body = self.write("oadrResponse", None, request_id="")
        except (ValueError, LookupError):
            # Only what was not held against the schema can be so wrong.
            body = self.write("oadrResponse", None, request_id="")
        return self._going(body)

    def _heard(self, arrived: Arrived) -> Message:
        """The message in the request. Raises Rejected for what is none, or is not posted to a service as XML."""
        lengths = {value for name, value in arrived.headers if name.lower() == "content-length"}
        if arrived.method != "POST" or len(lengths) > 1:
            raise Rejected(405)
        if arrived.path.removeprefix(f"{PREFIX}/") not in {*SERVICES.values(), "OadrPoll"}:
            raise Rejected(404)
        media = (arrived.header("Content-Type") or "application/xml").split(";")[0].strip()
        if media not in ("application/xml", "text/xml"):
            raise Rejected(415)
        if len(arrived.body) > MAX_BODY_BYTES:
            raise Rejected(413)
        message = self._parsed(arrived)
        if message.kind not in SERVICES and message.kind != "oadrResponse":
            raise Rejected(400)
        return message

    def _parsed(self, arrived: Arrived) -> Message:
        expands = self.wrong("expands entities")
        parser = etree.XMLParser(resolve_entities=expands, no_network=True)
        try:
            root = etree.fromstring(arrived.body, parser)
        except (etree.XMLSyntaxError, ValueError):
            raise Rejected(400) from None
        if b"<!DOCTYPE" in arrived.body and not (expands or self.wrong("fetches entities")):
            raise Rejected(400)
        signed = root.find("ds:Signature", NAMESPACES) is not None
        raw = arrived.body if signed else etree.tostring(root)
        return Message(raw, sender="harness", headers=arrived.headers)

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

    def _answer(self, message: Message, arrived: Arrived) -> bytes:
        service = arrived.path.removeprefix(f"{PREFIX}/")
        party: Party | None = None
        try:
            if (faults := schema.faults(message)) and not self.wrong("no schema"):
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
        signs = message.signed or (party is not None and party.signs) or self.wrong("signs everything")
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
        kind = (
            REPLIES.get(message.kind, "oadrResponse") if not self.wrong("refuses by oadrResponse") else "oadrResponse"
        )
        opt_id = message.text("./ei:optID") or ""
        return self.write(
            kind, None, request_id=message.request_id, code=code, description=str(refusal), opt_id=opt_id, **ids
        )

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
            if message.kind == "oadrCancelPartyRegistration" and self.wrong("bad cancel cancels"):
                party.active = False
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
                return self.poll(party)
            case "oadrRequestEvent":
                return self.request_event(message, party)
            case "oadrCreatedEvent":
                return self.created_event(message, party)
            case "oadrCreateOpt":
                return self.create_opt(message, party)
            case "oadrCancelOpt":
                return self.cancel_opt(message, party)
            case "oadrRegisterReport":
                return self.register_report(message, party)
            case "oadrUpdateReport":
                return self.update_report(message, party)
            case "oadrCreateReport":
                return self.create_report(message, party)
            case "oadrCancelReport":
                return self.cancel_report(message, party)
            case _:
                self.answered(message, party)
                return self.write("oadrResponse", party, request_id=message.request_id)

    # -- EiRegisterParty -----------------------------------------------------------------------------------------

    def _query(self, message: Message, party: Party | None) -> bytes:
        told = party if party is not None and party.active else None
        if told is None and self.wrong("tells ids to anybody"):
            told = next(iter(self.parties.values()), Party(ven_id="ven", key="", fingerprint="", registration_id="r"))
        if told is not None and self.wrong("a query unregisters"):
            told.active = False
        if told is not None and self.wrong("a query tells another id"):
            told = msgspec.structs.replace(told, registration_id="another")
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
        self.kick(party)
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
            self.tell(party, self.metadata_of(party))
        if self.wrong("forgets requests"):
            party.asked.clear()
        if self.wrong("forgets opts"):
            party.schedules.clear()
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
        first = not party.registration_id
        if not first and self.wrong("only the first registration"):
            return msgspec.structs.replace(party, registration_id=self.fresh("registration"))
        self.parties[party.ven_id] = party
        self._begun(party, first=first)
        return party

    def _begun(self, party: Party, *, first: bool) -> None:
        """What a new registration ends and brings (rules 301, 406)."""
        kept, owed = (dict(party.asked), dict(party.owed)) if self.wrong("keeps requests") else ({}, {})
        opts = dict(party.schedules) if self.wrong("keeps opts") else {}
        party.forget()
        party.asked, party.owed, party.schedules = kept, owed, opts
        party.active, party.pull, party.events_due = True, True, False
        if first or not self.wrong("the same registration"):
            party.registration_id = self.fresh("registration")
        if not first and self.wrong("new ones get no events"):
            self.events = {key: one for key, one in self.events.items() if one.wish.ven_id != party.ven_id}
        late = self.wrong("metadata after the VEN's") or self.wrong("no metadata of its own")
        if not late and (first or not self.wrong("metadata once for all")):
            self.tell(party, *(self.metadata_of(party),) * (3 if self.wrong("asks again and again") else 1))

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


async def _fetched(body: bytes) -> None:
    """What a careless reader of XML does with entities that are elsewhere."""
    for found in re.findall(rb'SYSTEM "(http[^"]+)"', body):
        parts = urlsplit(found.decode())
        headers = http.usual_headers(parts.netloc, b"")
        sent = http.request_bytes(parts.path, headers, b"", method="GET")
        await http.exchange(f"http://{parts.netloc}", (sent,), tls=None, within_s=1)


@contextlib.asynccontextmanager
async def serving(vtn: TinyVtn, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The VTN, listening; yields its URL."""
    try:
        async with listening(vtn.handle, tls=tls) as port:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        for task in tuple(vtn.tasks):
            task.cancel()
        await asyncio.gather(*vtn.tasks, return_exceptions=True)
