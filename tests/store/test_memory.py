"""The store that forgets."""

from __future__ import annotations

import pytest

from openadr_ra.seams import Store
from openadr_ra.store import open_store
from tests.store.check_drop import DropContract
from tests.store.check_store import TANK, AloneContract, Contract, Tank, pour


class TestMemoryStore(Contract, DropContract, AloneContract):
    """Passes the contract."""

    @pytest.fixture
    async def store(self) -> Store:
        return await open_store("memory")


async def test_memory_store_is_done_before_anybody_else_runs() -> None:
    """An update never suspends, so a simulation's order of events is its own."""
    store = await open_store("memory")
    update = store.update(TANK, Tank, pour("a"))
    with pytest.raises(StopIteration) as done:
        update.send(None)
    assert done.value.value.state == Tank(poured=("a",))
