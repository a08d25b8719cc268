"""What carries points: a few requests to a device, and the two ways in which they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from openadr_ra.drivers.mapped.mapping import Point, Raw, Sample
from openadr_ra.errors import OadrRaError

P_contra = TypeVar("P_contra", bound=Point, contravariant=True)


class Unreached(OadrRaError):
    """The device, or what stands between, gave no answer that can be used."""


class Refused(OadrRaError):
    """The device answered, and will not do it."""


class Carrier(AbstractAsyncContextManager[object], Protocol[P_contra]):
    """Connects when it is needed and again after a failure. A call that is cancelled leaves nothing behind that a later
    one could take for its answer. It has no deadline of its own: its caller has one."""

    @property
    def line(self) -> int:
        """Another number after each interruption: what the device shows may then be what it shows after a restart."""
        ...

    async def read(self, points: Mapping[str, P_contra]) -> Mapping[str, Sample]:
        """What the device says of these points; without those of which it says nothing. Raises Unreached."""
        ...

    async def write(self, values: Sequence[tuple[P_contra, Raw]], lease_s: float) -> None:
        """Write in this order; nobody is to find it after `lease_s`, where the carrier can see to that.

        Raises Unreached, or Refused.
        """
        ...


async def end(task: asyncio.Task[None], again_s: float) -> None:
    """Cancel `task` until it has ended: before Python 3.12 a `wait_for` that succeeds at the very moment forgets it."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=again_s)
