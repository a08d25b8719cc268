"""Who is who: a certificate's fingerprint names a party. Enrolment is known out of band (section 10.5)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec.structs import replace

from openadr_ra.errors import InvalidId, NotRegistered
from openadr_ra.protocol import vtn
from openadr_ra.protocol.instruction import party
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.model import VenId
from openadr_ra.protocol.step import AnyLetter, Entry, Key, Outcome, Record
from openadr_ra.protocol.vtn import Party
from openadr_ra.run.clock import Moments
from openadr_ra.run.envelope import Policy
from openadr_ra.seams import Clock, Store

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

MAX_ID_CHARACTERS = 250
"""Of a venID that a VEN brings along; certified nodes must handle 50."""


POLICY = Policy()
NO_POLICIES: Mapping[Key, Policy] = {}


class Admission:
    """Finds the party that a message comes from.

    `admit` "listed": only fingerprints that the operator enrolled; "ca": any certificate that the TLS layer let through
    gets a venID of its own at its first registration. Without TLS a VEN is who it says it is.

    `policy` is how messages are taken, `policies` how those of certain parties are.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        admit: Literal["listed", "ca"],
        *,
        policy: Policy = POLICY,
        policies: Mapping[Key, Policy] = NO_POLICIES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._admit = admit
        self._policy = policy
        self._policies = policies
        self._rows: set[Key] = set()

    async def policy(self, fingerprint: str | None) -> Policy:
        """How the messages that come over a connection with this certificate are taken, whoever enrolled it."""
        if fingerprint is None or not self._policies:
            return self._policy
        key = await self._store.resolve(fingerprint)
        return self._policy if key is None else self.policy_of(key)

    def policy_of(self, key: Key) -> Policy:
        """How the messages of this party are taken."""
        return self._policies.get(key, self._policy)

    async def load(self) -> None:
        """Learn the parties there are."""
        self._rows = set(await self._store.keys("party/"))

    async def enrol(self, ven_id: VenId, fingerprints: Iterable[str], by: str) -> None:
        """Admit a VEN under `ven_id` with these certificates, and no others from now on."""
        named = tuple(fingerprints)
        entry = Entry(subject=party(ven_id), at=self._clock.now(), by=by, what="enrolled", detail=", ".join(named))

        def step(state: Party | None, letters: tuple[AnyLetter, ...]) -> Outcome[Party]:
            held = state or Party(ven_id=ven_id)
            held = vtn.filed(held, letters, Moments(self._clock).next())
            if state is not None and held.fingerprints == named:
                return Outcome(state=held, effects=(Record(aliases=named),))
            held = replace(held, fingerprints=named)
            return Outcome(state=held, effects=(Record(aliases=named, entries=(entry,)),))

        await self._store.update(party(ven_id), Party, step)
        self._rows.add(party(ven_id))

    async def party(self, message: Message, fingerprint: str | None) -> Key:
        """The row of whoever sent `message`. Raises NotRegistered for a certificate that is nobody's or another's,
        InvalidId for a venID that is unknown."""
        named: VenId | None = getattr(message, "ven_id", None) or None
        claimed = party(named) if named is not None else None
        if fingerprint is None:
            return await self._plain(message, claimed)
        own = await self._store.resolve(fingerprint)
        if own is not None:
            if claimed not in (None, own) and await self._is_there(claimed):
                raise NotRegistered("this certificate does not belong to the venID")
            # Another process may have enrolled it.
            await self._is_there(own)
            return own
        if await self._is_there(claimed):
            raise NotRegistered("this certificate does not belong to the venID")
        if self._admit == "listed":
            raise NotRegistered(f"certificate {fingerprint} is not enrolled here")
        if not vtn.is_registering(message):
            raise NotRegistered("there is no registration; send oadrCreatePartyRegistration first")
        return _usable(claimed) if claimed else party(VenId("VEN-" + fingerprint.replace(":", "")))

    async def _is_there(self, key: Key | None) -> bool:
        """Is there a row of this party? Where others make rows, too, those that are not known here are looked for."""
        if key is None or key in self._rows:
            return key is not None
        if not self._store.shared or await self._store.load(key, Party) is None:
            return False
        self._rows.add(key)
        return True

    async def _plain(self, message: Message, claimed: Key | None) -> Key:
        if claimed is not None and await self._is_there(claimed):
            return claimed
        if not vtn.is_registering(message):
            raise InvalidId(f"venID {claimed.partition('/')[2] if claimed else ''} is unknown here")
        if claimed is not None:
            return _usable(claimed)
        name = _UNSAFE.sub("-", getattr(message, "ven_name", None) or "")[:30]
        return party(VenId(f"VEN-{name or secrets.token_hex(4)}"))

    def knows(self, key: Key) -> bool:
        """Is there a row of this party, which `party` has found?"""
        return key in self._rows

    def learned(self, key: Key) -> None:
        """A step created this party's row."""
        self._rows.add(key)


def _usable(claimed: Key) -> Key:
    """The row of a venID that a stranger chose for itself.

    Raises InvalidId for one that would not fit into a line of the log, or that reads like a part of another VEN's: with a
    slash in it a stranger's values could stand among those of the VEN before the slash.
    """
    name = claimed.partition("/")[2]
    if len(name) > MAX_ID_CHARACTERS or not name.isprintable() or "/" in name:
        raise InvalidId(f"a new venID has at most {MAX_ID_CHARACTERS} printable characters and no slash")
    return claimed
