"""How much one VEN and one address may take of a VTN: just as much as the settings say, and not a request more."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openadr_ra import SettingsError, Vtn
from openadr_ra.protocol.messages import CreatePartyRegistration
from openadr_ra.protocol.model import RequestId, VenId
from openadr_ra.protocol.step import Key
from openadr_ra.run.limits import LINE_EVERY, MOST_NAMES, REST, Bucket, Buckets, Limiter, Rate
from openadr_ra.settings import NodeSettings, PeerLimits, from_table
from openadr_ra.wire import codec
from tests.net.peers import exchange, post, status
from tests.run.peer import Peer
from tests.run.site import Table, code

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MIB = 1024 * 1024

HERE, THERE = "192.0.2.1", "192.0.2.2"
VEN, OTHER = "AA:01", "BB:02"
KEY = Key("party/VEN")


class Hand:
    """A clock that stands where it was put; whoever sleeps moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, when: datetime) -> None:
        self.at = max(self.at, when)


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def limiter(clock: Hand) -> Limiter:
    """With the settings as they come."""
    return Limiter(PeerLimits(), clock)


def asked(limiter: Limiter, times: int, address: str = HERE, fingerprint: str | None = VEN) -> int:
    """How many of so many small requests are taken."""
    return sum(limiter.asks(address, fingerprint, 300) is None for _ in range(times))


def test_a_bucket_gives_what_it_holds_and_not_more() -> None:
    bucket = Bucket(Rate(most=3, per_s=2), NOON)

    assert [bucket.take(NOON) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_bucket_fills_at_its_rate_up_to_its_brim() -> None:
    bucket = Bucket(Rate(most=3, per_s=2), NOON)
    bucket.take(NOON, 3)

    assert bucket.take(NOON + 0.5 * SECOND - timedelta(microseconds=1)) > 0
    assert bucket.take(NOON + 0.5 * SECOND) == 0
    assert bucket.take(NOON + 10 * SECOND, 3) == 0
    assert bucket.take(NOON + 10 * SECOND) > 0


def test_what_is_refused_takes_nothing() -> None:
    bucket = Bucket(Rate(most=3, per_s=2), NOON)

    assert bucket.take(NOON, 4) == 0.5
    assert bucket.take(NOON, 3) == 0


def test_a_clock_that_is_set_back_closes_no_bucket() -> None:
    bucket = Bucket(Rate(most=1, per_s=1), NOON)
    bucket.take(NOON)
    back = NOON - timedelta(hours=1)

    assert bucket.take(back) == 1
    assert bucket.take(back + SECOND) == 0


def taken(bucket: Bucket, now: datetime, amount: float) -> bool:
    """As the limiter does it: without the time where that is enough."""
    if bucket.free >= amount:
        bucket.free -= amount
        return True
    return bucket.take(now, amount) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 4)), max_size=40), st.sampled_from([0, 1, 3, 4]))
def test_in_no_span_of_time_a_bucket_gives_more_than_its_brim_and_its_rate(
    takes: list[tuple[float, float]], unseen: float
) -> None:
    rate = Rate(most=4, per_s=2, unseen=unseen)
    bucket, at_s, given_out = Bucket(rate, NOON), 0.0, [(0.0, 0.0)]
    for after_s, amount in takes:
        at_s += after_s
        if taken(bucket, NOON + timedelta(seconds=at_s), amount):
            given_out.append((at_s, amount))

    for first, (start_s, _) in enumerate(given_out):
        for last in range(first, len(given_out)):
            span_s = given_out[last][0] - start_s
            assert sum(amount for _, amount in given_out[first : last + 1]) <= rate.most + span_s * rate.per_s + 1e-6


@pytest.mark.parametrize("unseen", [0, 1, 3])
@pytest.mark.parametrize("every_s", [0.5, 0.7, 10])
def test_whoever_keeps_to_the_rate_is_never_refused(every_s: float, unseen: float) -> None:
    bucket = Bucket(Rate(most=4, per_s=2, unseen=unseen), NOON)

    assert all(taken(bucket, NOON + number * every_s * SECOND, 1) for number in range(500))


@pytest.mark.parametrize("unseen", [0, 1, 3, 4])
def test_a_burst_is_as_large_as_it_may_be_however_the_time_is_looked_at(unseen: float) -> None:
    bucket = Bucket(Rate(most=4, per_s=2, unseen=unseen), NOON)

    assert [taken(bucket, NOON, 1) for _ in range(6)] == [True] * 4 + [False] * 2
    assert [taken(bucket, NOON + SECOND, 1) for _ in range(4)] == [True] * 2 + [False] * 2


def test_names_are_forgotten_beyond_a_bound_and_the_busy_one_last() -> None:
    """Whoever comes under endless names fills no memory, and gains nothing under the one that was refused."""
    buckets = Buckets(Rate(most=1, per_s=0.001))
    buckets.of("busy", NOON)[0].take(NOON)
    for number in range(2 * MOST_NAMES):
        buckets.of(f"name {number}", NOON)
        assert buckets.of("busy", NOON)[0].take(NOON) > 0

    assert len(buckets) == MOST_NAMES


def test_a_ven_may_drain_its_queue_at_once_and_then_ask_twenty_times_a_second(limiter: Limiter, clock: Hand) -> None:
    assert asked(limiter, 101) == 100
    clock.at += 3 * SECOND

    assert asked(limiter, 61) == 60


def test_a_ven_is_told_when_to_come_again_in_whole_seconds(clock: Hand) -> None:
    limiter = Limiter(PeerLimits(ven_requests_per_s=0.4, ven_burst=1), clock)
    asked(limiter, 1)

    assert limiter.asks(HERE, VEN, 0) == 3
    clock.at += timedelta(seconds=2.4)
    assert limiter.asks(HERE, VEN, 0) == 1


def test_a_flood_of_one_ven_is_not_paid_for_by_those_behind_the_same_address(limiter: Limiter) -> None:
    asked(limiter, 5_000)

    assert asked(limiter, 101, fingerprint=OTHER) == 100


def test_an_address_may_be_many_vens_and_has_a_limit_of_its_own(limiter: Limiter, clock: Hand) -> None:
    """Without certificates it is the only one: a venID can be anybody's."""
    assert asked(limiter, 2_001, fingerprint=None) == 2_000
    clock.at += SECOND
    assert asked(limiter, 501, fingerprint=None) == 500

    assert asked(limiter, 1, address=THERE, fingerprint=None) == 1


def test_addresses_of_one_ipv6_network_are_one(limiter: Limiter) -> None:
    """Its owner has all of them."""
    taken = [limiter.asks(f"2001:db8:0:1::{number:x}", None, 0) for number in range(2_001)]

    assert taken.count(None) == 2_000
    assert limiter.asks("2001:db8:0:2::1", None, 0) is None


@pytest.mark.parametrize(("fingerprint", "most"), [(VEN, 16 * MIB), (None, 64 * MIB)])
def test_bytes_are_counted_by_the_minute(limiter: Limiter, clock: Hand, fingerprint: str | None, most: int) -> None:
    """Those that come with the head of a request and those that follow."""
    assert limiter.asks(HERE, fingerprint, MIB) is None
    assert limiter.brings(HERE, fingerprint, most - MIB) is None
    assert limiter.brings(HERE, fingerprint, most // 60) == 1
    assert limiter.asks(HERE, fingerprint, most // 60) == 1
    clock.at += SECOND

    assert limiter.brings(HERE, fingerprint, most // 60) is None
    assert limiter.brings(HERE, fingerprint, 1) == 1


def test_a_known_ven_may_register_once_a_minute_and_sixty_times_at_once(limiter: Limiter, clock: Hand) -> None:
    def registered(times: int, key: Key = KEY) -> int:
        return sum(limiter.registers(key, HERE, VEN, known=True) is None for _ in range(times))

    assert registered(61) == 60
    assert limiter.registers(KEY, HERE, VEN, known=True) == 60
    clock.at += timedelta(minutes=1)
    assert registered(2) == 1

    assert registered(1, Key("party/OTHER")) == 1


def test_new_vens_are_counted_by_the_address_they_come_from(limiter: Limiter, clock: Hand) -> None:
    def new(number: int, address: str = HERE) -> int | None:
        return limiter.registers(Key(f"party/{number}"), address, None, known=False)

    assert [new(number) for number in range(241)] == [None] * 240 + [15]
    assert new(241, THERE) is None
    clock.at += timedelta(seconds=15)
    assert (new(242), new(243)) == (None, 15)


def test_an_address_may_have_so_many_connections_open(limiter: Limiter) -> None:
    assert limiter.connects(HERE, 511)
    assert not limiter.connects(HERE, 512)
    assert limiter.connects(THERE, 0)


def test_an_address_may_open_fifty_connections_a_second_and_four_seconds_worth_at_once(
    limiter: Limiter, clock: Hand
) -> None:
    """Each costs a TLS handshake, taken before anybody knows who it is."""
    assert sum(limiter.connects(HERE, 0) for _ in range(201)) == 200
    clock.at += SECOND
    assert sum(limiter.connects(HERE, 0) for _ in range(51)) == 50

    assert limiter.connects(THERE, 0)


def test_a_limit_of_zero_is_none(clock: Hand) -> None:
    zero = PeerLimits(
        ven_requests_per_s=0,
        ven_bytes_per_min=0,
        ven_registrations_per_h=0,
        address_requests_per_s=0,
        address_bytes_per_min=0,
        address_registrations_per_h=0,
        address_connections=0,
        address_connections_per_s=0,
    )
    limiter = Limiter(zero, clock)

    assert asked(limiter, 3_000) == 3_000
    assert limiter.brings(HERE, VEN, 10**12) is None
    assert all(limiter.connects(HERE, others) for others in range(2_000))
    assert all(limiter.registers(KEY, HERE, VEN, known=known) is None for known in (True, False) for _ in range(300))


async def test_whoever_is_refused_waits_a_second_to_hear_it(limiter: Limiter, clock: Hand) -> None:
    await limiter.rest()

    assert clock.at == NOON + REST


def test_an_address_has_one_line_a_minute_in_the_log(
    limiter: Limiter, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    """However often, and for whatever it is refused: a flood of requests is to be no flood of lines."""
    asked(limiter, 1_100)
    limiter.connects(HERE, 512)
    asked(limiter, 101, address=THERE, fingerprint=OTHER)
    clock.at += LINE_EVERY - timedelta(microseconds=1)
    asked(limiter, 5_000)
    first = [record.getMessage() for record in caplog.records]
    clock.at += timedelta(microseconds=1)
    asked(limiter, 5_000)

    assert first == [
        f"! refused 503 {HERE} {VEN}: too much of one VEN",
        f"! refused 503 {THERE} {OTHER}: too much of one VEN",
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert (
        caplog.records[2].getMessage()
        == f"! refused 503 {HERE} {VEN}: too much of one VEN; 5900 more since the last line"
    )


def test_log_lines_are_kept_in_mind_for_a_bounded_number_of_addresses(
    clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = Limiter(PeerLimits(address_connections=1), clock)
    for number in range(MOST_NAMES + 1):
        limiter.connects(f"host {number}", 1)
    caplog.clear()

    limiter.connects(f"host {MOST_NAMES}", 1)
    limiter.connects("host 0", 1)

    assert [record.getMessage() for record in caplog.records] == [
        "! refused 503 host 0 without certificate: 1 connections are open"
    ]


def settings(**limits: object) -> NodeSettings:
    down: Table = {"listen": "127.0.0.1:0", "max_body_bytes": 2048, "limits": limits}
    return from_table({"downstream": down}, Path("/etc/vtn/node.toml"))


@pytest.mark.parametrize("name", ["ven_bytes_per_min", "address_bytes_per_min"])
def test_a_message_of_the_size_that_is_allowed_fits_into_the_limits(name: str) -> None:
    for enough in (0, 2048):
        settings(**{name: enough})

    with pytest.raises(SettingsError, match=rf"downstream\.limits\.{name}: must be 0 or at least max_body_bytes, 2048"):
        settings(**{name: 2047})


@pytest.mark.parametrize(
    ("name", "low"),
    [(name, 1 if name.endswith("burst") else 0) for name in PeerLimits.__struct_fields__],
)
def test_no_limit_is_below_nothing(name: str, low: int) -> None:
    settings(**{name: low})

    with pytest.raises(SettingsError, match=rf"downstream\.limits\.{name}: "):
        settings(**{name: low - 1})


async def test_a_new_ven_too_many_is_told_when_to_come_again_and_a_known_one_is_served(tmp_path: Path) -> None:
    """503, since a VEN never tries again after a 4xx (9.1.5)."""
    down: Table = {"listen": "127.0.0.1:0", "admit": "ca", "limits": {"address_registrations_per_h": 1}}
    async with Vtn(
        from_table({"store": {"url": "memory"}, "downstream": down}, tmp_path / "vtn.toml")
    ).running() as vtn:
        stranger = Peer(url=vtn.url)
        await stranger.register("FIRST")
        claim = CreatePartyRegistration(request_id=RequestId("r2"), ven_id=VenId("SECOND"), ven_name="x", pull=True)
        url = urlsplit(vtn.url)
        assert url.port is not None
        again = post(codec.encode(claim), "Connection: close", path=f"{url.path}/EiRegisterParty")
        answer = await exchange(url.port, again)
        assert code(await stranger.register("FIRST")) == "200"

        assert status(answer) == 503
        assert 3590 <= int(answer.partition(b"Retry-After: ")[2].split(b"\r\n")[0]) <= 3600
        assert [ven.ven_id for ven in await vtn.vens()] == ["FIRST"]
