"""Runs cases against a subject: starts it, plays the other end, and turns what happens into results."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from conformance import cases
from conformance.attempt import Opened, attempt
from conformance.case import CASES, Case, Failed, NotSupported, Verdict
from conformance.fit import listen_address
from conformance.identity import Authority, Identity
from conformance.operator import Operator
from conformance.operators import operator_of, ven_operator_of
from conformance.play import Sign
from conformance.record import Record
from conformance.seal import sealer
from conformance.sightings import Sightings, add, seen_in
from conformance.subject import Places, SubjectSettings, places, reachable, started
from conformance.tested import Ven, Vtn, served
from conformance.ven_operator import VenOperator
from conformance.verdict import Evidence, Result, keep, result, seen
from conformance.watch import WATCHES, Finding, findings

Told = Callable[[Result, int, int], None]
"""Called with each result as it comes, its number, and how many there will be."""

SANITY = {"vtn": "vtn.registration.sanity", "ven": "ven.registration.sanity"}
"""If this one fails the others would say nothing."""

BLOCKED = "the sanity case failed"

LOOK_S = 0.5
"""So long it is tried whether the subject takes connections, before it is started anew."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `only`: a rule, a service, or a beginning of an id; empty: everything."""

    only: tuple[str, ...] = ()
    slow: bool = False
    jobs: int = 1
    strict: bool = False
    slower: float = 1.0


def chosen(settings: SubjectSettings, plan: Plan) -> tuple[Case, ...]:
    """The cases for that subject, the sanity case first."""
    cases.load()
    sanity = SANITY[settings.role]
    found = [
        one
        for one in CASES.values()
        if one.role == settings.role
        and settings.mode in one.modes
        and (plan.slow or not one.slow)
        and (not settings.signed or one.signed)
        and (plan.slow or not settings.sample or one.certification or one.id == sanity)
        and (not plan.only or one.id == sanity or any(named(one, word) for word in plan.only))
    ]
    return tuple(sorted(found, key=lambda one: one.id != sanity))


def named(case: Case, word: str) -> bool:
    """Is it about the word: a rule, a certification case, a service, or a beginning of its id?"""
    word = word.lower()
    rules = {rule.lower() for rule in case.rules} | {one.lower() for one in case.certification}
    return word in rules or case.service == word or case.id.startswith(word)


async def run(settings: SubjectSettings, plan: Plan, out: Path, told: Told) -> tuple[tuple[Result, ...], Sightings]:
    """All results, in the order of the cases, those of the watches last, and what the subject was seen to support.

    `out` is an absolute path."""
    todo = chosen(settings, plan)
    worker = _Worker(settings, plan, out)
    first, rest = todo[:1], todo[1:]
    done: dict[str, Result] = {}
    caught: Caught = []

    async def one_by_one(lane: int, mine: Iterable[Case]) -> None:
        async with worker.lane(lane) as lane_run:
            for case in mine:
                done[case.id], breaches = await lane_run(case)
                caught.extend(breaches)
                told(done[case.id], len(done), len(todo))

    await one_by_one(0, first)
    if first and done[first[0].id].verdict != "pass":
        for case in rest:
            done[case.id] = result(case, "blocked", why=BLOCKED)
            told(done[case.id], len(done), len(todo))
    else:
        shared = iter(rest)
        jobs = plan.jobs if settings.start else 1
        await asyncio.gather(*(one_by_one(number, shared) for number in range(jobs)))
    ordered = tuple(_strict(done[case.id], plan) for case in todo)
    return ordered + tuple(
        _strict(one, plan) for one in _watched(settings, caught, any_ran=bool(done))
    ), worker.sightings


def _strict(one: Result, plan: Plan) -> Result:
    return msgspec.structs.replace(one, verdict="fail") if plan.strict and one.verdict == "non-strict" else one


def _watched(settings: SubjectSettings, caught: Sequence[tuple[str, Finding]], *, any_ran: bool) -> tuple[Result, ...]:
    found: list[Result] = []
    for one in WATCHES:
        if settings.role not in one.roles or not any_ran:
            continue
        breaches = [finding for name, finding in caught if name == one.id]
        bad: Verdict = "fail" if one.level == "MUST" else "non-strict"
        first = breaches[0] if breaches else None
        found.append(
            Result(
                id=f"{settings.role}.{one.id}",
                role=settings.role,
                service=one.id.split(".")[0],
                rules=one.rules,
                level=one.level,
                says=one.says,
                verdict=bad if first else "pass",
                sends="every exchange of the run",
                expected=first.expected if first else "",
                actual=first.actual if first else "",
                why=f"{len(breaches)} times, first in {first.case}, exchange {first.exchange}" if first else "",
                evidence=Evidence(text=first.message_text, line=first.line) if first else None,
            )
        )
    return tuple(found)


Caught = list[tuple[str, Finding]]
"""What the watches found, each with the watch's id."""

RunCase = Callable[[Case], Awaitable[tuple[Result, Caught]]]


class _Worker:
    """Runs one case at a time in each lane; a lane has an instance of the subject of its own."""

    def __init__(self, settings: SubjectSettings, plan: Plan, out: Path) -> None:
        self.settings, self.plan, self.out = settings, plan, out
        self.sightings: Sightings = {}
        self.by_hand: list[Ven] = []

    @contextlib.asynccontextmanager
    async def lane(self, number: int) -> AsyncIterator[RunCase]:
        """The instance of this lane, and what runs a case against it."""
        folder = self.out / f"instance-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder / "certificates") if self.settings.certificates else None
        if self.settings.role == "vtn":
            async with self._vtn(folder, authority) as open_vtn:
                yield lambda case: self._case(case, lambda record: open_vtn(record, case))
        else:
            async with contextlib.AsyncExitStack() as stack:
                lane = _VenLane(self.settings, folder, authority, stack, self.by_hand)
                yield lambda case: self._case(case, lambda record: lane.ven(record, case))

    @contextlib.asynccontextmanager
    async def _vtn(self, folder: Path, authority: Authority | None) -> AsyncIterator[Callable[[Record, Case], Opened]]:
        settings = self.settings
        if authority is not None:
            authority.issue("vtn")
            authority.issue("vtn-rsa", kind="rsa")
        ca = authority.certificate if authority is not None else settings.ca
        at = places(folder, {"certs": str(folder / "certificates"), "ca": ca})
        url = at(settings.url)
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
        async with contextlib.AsyncExitStack() as process:

            async def up() -> bool:
                """Is it there? One that a case has brought down is started again."""
                if await reachable(host, port, LOOK_S):
                    return True
                await process.aclose()
                await process.enter_async_context(started(_varied(settings, ""), at))
                return await reachable(host, port, settings.ready_within_s)

            operator = operator_of(settings.operator, at)
            try:
                yield lambda record, case: self._open_vtn(record, url, operator, authority, ca, up)
            finally:
                await operator.close()

    @contextlib.asynccontextmanager
    async def _open_vtn(
        self,
        record: Record,
        url: str,
        operator: Operator,
        authority: Authority | None,
        ca: str,
        up: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[Vtn]:
        if not await up():
            raise Failed(f"a VTN that takes connections at {url}", "nobody does")
        settings = self.settings
        async with Vtn(
            url,
            record,
            operator,
            mode=settings.mode,
            identities=_given(settings),
            authority=authority,
            ca=ca,
            check_hostname=settings.check_hostname,
            sealer=sealer if settings.signed else None,
            parameters=settings.parameters,
        ) as vtn:
            yield vtn

    async def _case(self, case: Case, opened: Callable[[Record], Opened]) -> tuple[Result, Caught]:
        record, began = Record(), time.monotonic()
        made = await attempt(case, opened, record, slower=self.plan.slower)
        return self._kept(case, made, record, began)

    def _kept(self, case: Case, made: Result, record: Record, began: float) -> tuple[Result, Caught]:
        folder = self.out / "messages" / case.id
        folder.mkdir(parents=True, exist_ok=True)
        for exchange in record.exchanges:
            keep(exchange, folder)
        add(self.sightings, seen_in(record, case.role))
        whole = msgspec.structs.replace(
            made,
            took_s=round(time.monotonic() - began, 3),
            folder=f"messages/{case.id}",
            exchanges=tuple(seen(one) for one in record.exchanges),
        )
        caught = [
            (one.id, finding) for one in WATCHES if case.role in one.roles for finding in findings(one, record, case.id)
        ]
        return whole, caught


class _VenLane:
    """The VEN under test: a process for each case where there is a command, else one by hand for all of them."""

    def __init__(
        self,
        settings: SubjectSettings,
        folder: Path,
        authority: Authority | None,
        stack: contextlib.AsyncExitStack,
        by_hand: list[Ven],
    ) -> None:
        self.settings, self.folder, self.authority, self.stack = settings, folder, authority, stack
        self.by_hand = by_hand
        self.number = 0
        self.own: Identity | None = None
        if authority is not None:
            self.own = authority.issue("vtn")
            authority.issue("ven")
            authority.issue("ven-rsa", kind="rsa")

    @contextlib.asynccontextmanager
    async def ven(self, record: Record, case: Case) -> AsyncIterator[Ven]:
        """A played VTN, and the VEN that is started for it when the case says so."""
        self.number += 1
        settings, authority = self.settings, self.authority
        own = self.own or Identity(name="vtn", cert=settings.cert, key=settings.key)
        ca = authority.certificate if authority is not None else settings.ca
        server = own.server(ca) if ca else None
        async with contextlib.AsyncExitStack() as stack:
            process = contextlib.AsyncExitStack()
            await stack.enter_async_context(process)
            at = Places(values={})
            folders = (self.folder / f"{self.number:03d}-{case.id}-{which}" for which in itertools.count())

            def settle() -> Places:
                folder = next(folders)
                # What an earlier run left there would be the memory of this VEN.
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                certificates = str(self.folder / "certificates")
                return places(folder, {"url": url, "certs": certificates, "ca": ca, "fingerprint": own.fingerprint})

            async def launch(variant: str, fresh: bool) -> VenOperator:
                nonlocal at
                at = settle() if fresh else at
                await process.enter_async_context(started(_varied(settings, variant), at))
                return ven_operator_of(settings.operator, at)

            host, listen = ("127.0.0.1", 0) if settings.start else listen_address(settings.url)
            ven = Ven(
                record,
                launch=launch if settings.start else None,
                halt=process.aclose if settings.start else None,
                parameters=settings.parameters,
                sign=_sign(own) if settings.signed else None,
                client_tls=own.client(ca, check_hostname=settings.check_hostname) if ca else None,
                before=self.by_hand[-1] if self.by_hand else None,
                identity=own,
                authority=authority,
                ca=ca,
                check_hostname=settings.check_hostname,
                host=host,
            )
            port = await stack.enter_async_context(served(ven, port=listen, tls=server))
            url = f"{'https' if server else 'http'}://127.0.0.1:{port}"
            if not settings.start:
                at = settle()
                ven.operator = ven_operator_of(settings.operator, at)
                self.by_hand[:] = [ven]
            yield ven


def _varied(settings: SubjectSettings, variant: str) -> SubjectSettings:
    """The subject with the holes of its files filled as that variant has them."""
    if variant and variant not in settings.variants:
        raise NotSupported(f"the subject has no variant {variant}")
    holes = {**settings.holes, **settings.variants.get(variant, {})}
    return msgspec.structs.replace(
        settings, files={name: Places(values=holes)(text) for name, text in settings.files.items()}
    )


def _given(settings: SubjectSettings) -> tuple[Identity, ...]:
    pairs = ((settings.cert, settings.key), (settings.other_cert, settings.other_key))
    return tuple(Identity(name=Path(cert).stem, cert=cert, key=key) for cert, key in pairs if cert)


def _sign(identity: Identity) -> Sign:
    return sealer(identity)
