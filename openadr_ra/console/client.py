"""Speaks to a running node's console. The standard library's HTTP: a command must answer at once, not load a server."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from openadr_ra.run.fleet_orders import FleetView, MemberOrder, MemberView
from openadr_ra.run.orders import (
    Enrolled,
    Enrolment,
    Entry,
    EventDetail,
    EventView,
    Order,
    OwnOpt,
    Report,
    Row,
    SettingsError,
    TransportError,
)
from openadr_ra.run.report_orders import (
    FeedOrder,
    GreenButton,
    OwnOrdered,
    OwnReadings,
    OwnReportOrder,
    ReadingsOrder,
    ResourceNow,
)
from openadr_ra.run.ven_orders import (
    Declaration,
    Declared,
    History,
    HistoryOrder,
    Leaving,
    Ordered,
    OwnAvailability,
    Registering,
    ReportOrder,
    Reports,
    UpstreamOffer,
    UpstreamSummary,
    VenSummary,
)

T = TypeVar("T")

ANSWER_S = 30.0
"""A console answers within milliseconds; a busy machine takes longer."""

VTN_ANSWERS_S = 60.0
"""How long a VEN waits for its VTN's answer at most."""

Opts = dict[str, str | None]
"""By venID; None has not answered yet."""


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    error: str


class Client:
    """One call is one connection; an answer takes at most `answer_s`, and what the call itself waits for.

    Raises SettingsError for what the node finds wrong with a call, and TransportError if there is no node or it could not
    do what it should.
    """

    def __init__(self, url: str, token: str, *, answer_s: float = ANSWER_S) -> None:
        self._host, self._port = _address(url)
        self._url = f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"
        self._token = token
        self._answer_s = answer_s

    def events(self) -> tuple[EventView, ...]:
        """Every event, soonest first."""
        return self._call("GET", "/events", tuple[EventView, ...])

    def create(self, order: Order) -> EventView:
        """Give the event to its VENs, or to the fleet."""
        return self._call("POST", "/events", EventView, order)

    def event(self, event_id: str) -> EventDetail:
        """The event with its opts and what happened to it."""
        return self._call("GET", f"/events/{_quoted(event_id)}", EventDetail)

    def change(self, event_id: str, order: Order) -> EventView:
        """Replace what the event asks for."""
        return self._call("PUT", f"/events/{_quoted(event_id)}", EventView, order)

    def cancel(self, event_id: str) -> EventView:
        """Withdraw the event."""
        return self._call("DELETE", f"/events/{_quoted(event_id)}", EventView)

    def opts(self, event_id: str, within_s: int) -> Opts:
        """Each VEN's opt; waits up to `within_s` for those that have not answered."""
        path = f"/events/{_quoted(event_id)}/opts?within_s={within_s}"
        return self._call("GET", path, Opts, wait_s=within_s)

    def response(self, event_id: str) -> Report:
        """The rows of the response as they are known now."""
        return self._call("GET", f"/events/{_quoted(event_id)}/response", Report)

    def follow(self, event_id: str) -> Iterator[Row]:
        """Each row as it becomes known; ends with the event."""
        with self._asked("GET", f"/events/{_quoted(event_id)}/response/stream", None, wait_s=None) as answer:
            try:
                for line in answer:
                    yield self._row(line)
            except (OSError, http.client.HTTPException) as error:
                raise TransportError(f"{self._url} stopped before the event was over; ask again") from error

    def fleet(self) -> FleetView:
        """The node's fleet: members, sums, promises."""
        return self._call("GET", "/fleet", FleetView)

    def member_order(self, resource: str, order: MemberOrder) -> MemberView:
        """Have a member of the fleet held at a power, or left out of everything."""
        return self._call("PUT", f"/fleet/members/{_quoted(resource)}/word", MemberView, order)

    def give_back(self, resource: str) -> MemberView:
        """Take back what an operator said of a member."""
        return self._call("DELETE", f"/fleet/members/{_quoted(resource)}/word", MemberView)

    def member_journal(self, resource: str) -> tuple[Entry, ...]:
        """What operators said of a member."""
        return self._call("GET", f"/fleet/members/{_quoted(resource)}/journal", tuple[Entry, ...])

    def vens(self) -> tuple[VenSummary, ...]:
        """Every VEN with its state."""
        return self._call("GET", "/vens", tuple[VenSummary, ...])

    def enrol(self, ven_id: str, fingerprints: tuple[str, ...]) -> Enrolled:
        """Admit a VEN with these certificates and no others."""
        return self._call("PUT", f"/vens/{_quoted(ven_id)}", Enrolled, Enrolment(fingerprints=fingerprints))

    def warnings(self, ven_id: str) -> tuple[Entry, ...]:
        """What had to be repaired in the VEN's messages."""
        return self._call("GET", f"/vens/{_quoted(ven_id)}/warnings", tuple[Entry, ...])

    def reregister(self, ven_id: str) -> Ordered:
        """Have the VEN register again."""
        return self._call("POST", f"/vens/{_quoted(ven_id)}/registration", Ordered)

    def end_registration(self, ven_id: str) -> Ordered:
        """End the VEN's registration."""
        return self._call("DELETE", f"/vens/{_quoted(ven_id)}/registration", Ordered)

    def reports(self, ven_id: str) -> Reports:
        """What the VEN offers, and what was asked of it."""
        return self._call("GET", f"/vens/{_quoted(ven_id)}/reports", Reports)

    def ask(self, ven_id: str, order: ReportOrder) -> Ordered:
        """Ask the VEN for a report."""
        return self._call("POST", f"/vens/{_quoted(ven_id)}/reports", Ordered, order)

    def stop(self, ven_id: str, request_id: str, *, to_follow: bool) -> Ordered:
        """End a report request, with `to_follow` after one last report."""
        path = f"/vens/{_quoted(ven_id)}/reports/{_quoted(request_id)}?to_follow={str(to_follow).lower()}"
        return self._call("DELETE", path, Ordered)

    def history(self, ven_id: str, order: HistoryOrder, within_s: int) -> History:
        """What the VEN has kept; waits up to `within_s` for it to come."""
        path = f"/vens/{_quoted(ven_id)}/history?within_s={within_s}"
        return self._call("POST", path, History, order, wait_s=within_s)

    def status(self, ven_id: str) -> tuple[ResourceNow, ...]:
        """What the VEN said last of each of its resources."""
        return self._call("GET", f"/vens/{_quoted(ven_id)}/status", tuple[ResourceNow, ...])

    def green_button(self, ven_id: str, order: FeedOrder, within_s: int) -> GreenButton:
        """The VEN's Green Button feeds; waits up to `within_s` for them to come."""
        path = f"/vens/{_quoted(ven_id)}/greenbutton?within_s={within_s}"
        return self._call("POST", path, GreenButton, order, wait_s=within_s)

    def own_reports(self, upstream: str | None) -> Reports:
        """At a VEN: what the VTN above offers of its own, and what was asked of it."""
        return self._call("GET", f"/reports?upstream={_quoted(upstream or 'upstream')}", Reports)

    def want(self, order: OwnReportOrder) -> OwnOrdered:
        """At a VEN: ask the VTNs above for a report."""
        return self._call("POST", "/reports", OwnOrdered, order)

    def unwant(self, request_id: str, *, to_follow: bool) -> OwnOrdered:
        """At a VEN: end a report request, with `to_follow` after one last report."""
        path = f"/reports/{_quoted(request_id)}?to_follow={str(to_follow).lower()}"
        return self._call("DELETE", path, OwnOrdered)

    def own_readings(self, order: ReadingsOrder) -> OwnReadings:
        """At a VEN: what came of a report of a VTN's own."""
        return self._call("POST", "/readings", OwnReadings, order)

    def availability(self) -> tuple[OwnAvailability, ...]:
        """At a VEN: what stands declared."""
        return self._call("GET", "/availability", tuple[OwnAvailability, ...])

    def declare(self, order: Declaration) -> Declared:
        """At a VEN: when it is available, or not."""
        return self._call("POST", "/availability", Declared, order)

    def retract(self, opt_id: str) -> Declared:
        """At a VEN: take back what was declared under that id."""
        return self._call("DELETE", f"/availability/{_quoted(opt_id)}", Declared)

    def upstreams(self) -> tuple[UpstreamSummary, ...]:
        """At a VEN: how it stands with each VTN above."""
        return self._call("GET", "/upstreams", tuple[UpstreamSummary, ...])

    def query(self, upstream: str) -> UpstreamOffer:
        """At a VEN: what that VTN says of itself, asked now."""
        return self._call("GET", f"/upstreams/{_quoted(upstream)}/registration", UpstreamOffer, wait_s=VTN_ANSWERS_S)

    def register_again(self, upstream: str) -> Registering:
        """At a VEN: register again with that VTN."""
        return self._call("POST", f"/upstreams/{_quoted(upstream)}/registration", Registering)

    def leave(self, upstream: str) -> Leaving:
        """At a VEN: end its registration with that VTN."""
        return self._call("DELETE", f"/upstreams/{_quoted(upstream)}/registration", Leaving)

    def opt(self, event_id: str, word: OwnOpt) -> OwnOpt:
        """At a VEN: the operator's own word on an event from above."""
        return self._call("PUT", f"/opts/{_quoted(event_id)}", OwnOpt, word)

    def _call(
        self, method: str, path: str, kind: type[T], body: msgspec.Struct | None = None, *, wait_s: float = 0
    ) -> T:
        with self._asked(method, path, body, wait_s=wait_s) as answer, self._plainly():
            octets = answer.read()
        try:
            return msgspec.json.decode(octets, type=kind)
        except msgspec.DecodeError as error:
            raise TransportError(f"{self._url} answered {method} {path} with something unusable: {error}") from error

    @contextmanager
    def _asked(
        self, method: str, path: str, body: msgspec.Struct | None, *, wait_s: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, if it is a good one. `wait_s` None waits for ever for what follows its head."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        octets = None if body is None else msgspec.json.encode(body)
        patience_s = self._answer_s + (wait_s or 0)
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=patience_s)) as connection:
            with self._plainly():
                connection.request(method, path, octets, headers)
                answer = connection.getresponse()
                if wait_s is None and connection.sock is not None:
                    connection.sock.settimeout(None)
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise self._fault(answer.status, answer.read())
            yield answer

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """What goes wrong with the connection, in a sentence with the cure."""
        try:
            yield
        except TimeoutError as error:
            raise TransportError(f"{self._url} does not answer; is it a console, and is the node well?") from error
        except (OSError, http.client.HTTPException) as error:
            raise TransportError(
                f"no console at {self._url} ({_reason(error)}); start the node with `openadr-ra run node.toml`, with"
                " [console] in its settings, or name another by --console"
            ) from error

    def _fault(self, status: int, octets: bytes) -> SettingsError | TransportError:
        try:
            sentence = msgspec.json.decode(octets, type=_Fault).error
        except msgspec.DecodeError:
            sentence = f"{self._url} answered with HTTP status {status}; its log says why"
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return SettingsError(sentence)
        return TransportError(sentence, status=status)

    def _row(self, line: bytes) -> Row:
        if line.startswith(b'{"error"'):
            raise self._fault(HTTPStatus.INTERNAL_SERVER_ERROR, line)
        return msgspec.json.decode(line, type=Row)


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        if parts.scheme == "http" and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise SettingsError(f"{url!r} is no console; write http://127.0.0.1:PORT as the node said at its start")


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
