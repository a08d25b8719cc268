"""Settings: what is wrong with them is said in one line, with the path of the key and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from openadr_ra import SettingsError, Ven, Vtn
from openadr_ra.run.node import Node
from openadr_ra.settings import NodeSettings, from_table, read
from tests.run.site import BATTERY, Table

HERE = Path("/etc/edge/node.toml")
UPSTREAM: Table = {"url": "https://vtn", "cert": "a.crt", "key": "a.key", "ca": "ca.crt"}


def refusal(table: Table) -> str:
    """What is said of the table, without the name of the file, which is always there."""
    with pytest.raises(SettingsError) as refused:
        from_table(table, HERE)
    said = str(refused.value)
    assert said.startswith(f"{HERE}: ")
    assert "\n" not in said
    return said.removeprefix(f"{HERE}: ")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"stor": {}}, "stor"),
        ({"store": {"uri": "memory"}}, "store.uri"),
        ({"upstream": [UPSTREAM, UPSTREAM | {"certificate": "a"}]}, "upstream[1].certificate"),
        ({"downstream": {"ven": [{"id": "E1", "fingerprint": "a"}]}}, "downstream.ven[0].fingerprint"),
    ],
)
def test_an_unknown_key_is_refused_with_its_path(table: Table, key: str) -> None:
    assert refusal(table) == f"{key}: there is no such setting; see README for those there are"


def test_a_missing_key_is_named_with_its_path() -> None:
    assert refusal({"upstream": [{"name": "ac"}]}) == "upstream[0].url: is missing"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": 3}, "name: expected `str`, got `int`"),
        ({"downstream": {"poll_s": "10"}}, "downstream.poll_s: expected `int`, got `str`"),
        ({"downstream": {"admit": "anyone"}}, "downstream.admit: invalid enum value 'anyone'"),
        ({"downstream": {"ven": [{"id": "E1", "fingerprints": [7]}]}}, "fingerprints[0]: expected `str`, got `int`"),
        ({"upstream": UPSTREAM}, "upstream: there can be several, so it is written [[upstream]]"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(table: Table, said: str) -> None:
    assert refusal(table).endswith(said)


@pytest.mark.parametrize(
    ("name", "key", "low", "high"),
    [
        ("fleet", "min_cover", 0, 1),
        ("downstream", "band", 0, 1),
        ("downstream", "poll_s", 1, 86_400),
        ("downstream", "live_s", 1, 86_400),
        ("downstream", "slot_s", 0, 86_400),
    ],
)
def test_a_number_may_be_at_its_limits_and_not_beyond(name: str, key: str, low: int, high: int) -> None:
    for value in (low, high):
        from_table({name: {key: value}}, HERE)
    for value in (low - 1, high + 1):
        assert refusal({name: {key: value}}).startswith(f"{name}.{key}: ")


@pytest.mark.parametrize("value", [0, -1, 86_401, float("nan"), float("inf")])
def test_a_period_is_a_number_above_zero_and_a_day_at_most(value: float) -> None:
    """TOML has nan and inf."""
    assert refusal({"fleet": {"driver_timeout_s": value}}).startswith("fleet.driver_timeout_s: ")


def test_a_lease_must_outlast_the_renewal_of_set_points() -> None:
    """Else every device would be let go between one set-point and the next."""
    from_table({"fleet": {"track_every_s": 10, "lease_s": 11}}, HERE)

    said = refusal({"fleet": {"track_every_s": 10, "lease_s": 10}})

    assert said == "fleet.lease_s: must be longer than track_every_s, 10, at which set-points are renewed"


def test_an_interval_is_closed_after_the_next_reading() -> None:
    from_table({"fleet": {"read_every_s": 2, "settle_s": 2.5}}, HERE)

    assert refusal({"fleet": {"read_every_s": 3}}).startswith("fleet.settle_s: must be longer than read_every_s, 3")


@pytest.mark.parametrize("limit", ["recover_kw", "import_max_kw"])
def test_recovery_needs_a_limit_so_that_it_makes_no_new_peak(limit: str) -> None:
    from_table({"fleet": {"recover": True, limit: 0}}, HERE)

    said = refusal({"fleet": {"recover": True, "export_max_kw": 5}})

    assert said == "fleet.recover: needs recover_kw or import_max_kw, so that it makes no new peak"


@pytest.mark.parametrize(("hours", "taken"), [(0, False), (0.1, True), (168, True), (168.1, False)])
def test_recovery_may_take_a_week_at_most(hours: float, taken: bool) -> None:
    table: Table = {"fleet": {"recover_by_h": hours}}
    if taken:
        from_table(table, HERE)
        return

    assert refusal(table).startswith("fleet.recover_by_h: ")


def test_two_upstreams_need_names_of_their_own() -> None:
    said = refusal({"upstream": [UPSTREAM | {"name": name} for name in ("tso", "ac", "ac")]})

    assert said == "upstream.name: two upstreams are called 'ac'; give each its own name"


def test_files_are_found_beside_the_settings_and_absolute_names_stay() -> None:
    """Wherever the program was started."""
    found = from_table(
        {
            "store": {"url": "sqlite:edge.db"},
            "upstream": [UPSTREAM | {"ca": "/etc/ssl/ca.crt"}],
            "downstream": {"cert": ["rsa.crt", "ec.crt"], "key": "vtn.key", "client_ca": "ca.crt"},
            "console": {"token_file": "token"},
        },
        HERE,
    )

    (upstream,) = found.upstream
    assert found.store.url == "sqlite:/etc/edge/edge.db"
    assert (upstream.cert, upstream.ca) == ("/etc/edge/a.crt", "/etc/ssl/ca.crt")
    assert found.downstream is not None
    assert found.downstream.cert == ("/etc/edge/rsa.crt", "/etc/edge/ec.crt")
    assert found.downstream.client_ca == "/etc/edge/ca.crt"
    assert found.console is not None
    assert found.console.token_file == "/etc/edge/token"  # noqa: S105 - the name of a file


def test_what_is_not_set_is_not_made_a_file() -> None:
    found = from_table({"upstream": [{"url": "http://vtn"}], "store": {"url": "memory"}}, HERE)

    assert (found.upstream[0].cert, found.store.url) == ("", "memory")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file or directory; is the path right\?"):
        read(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"name = edge", b"\xff\xfe", b"[[upstream]"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"node\.toml: not TOML: "):
        read(path)


def test_an_rsa_and_an_ec_chain_need_a_key_each() -> None:
    found = from_table({"downstream": {"cert": ["rsa.crt", "ec.crt"], "key": "rsa.key"}}, HERE)

    assert found.downstream is not None
    with pytest.raises(SettingsError, match="as many entries in cert as in key"):
        _ = found.downstream.chains


def test_a_node_without_either_side_says_what_it_needs() -> None:
    nothing = NodeSettings()

    with pytest.raises(SettingsError, match=r"\[downstream\].*\[\[upstream\]\]"):
        Node(nothing)
    with pytest.raises(SettingsError, match=r"a VEN needs at least one \[\[upstream\]\]"):
        Ven(nothing)
    with pytest.raises(SettingsError, match="a VTN needs this table"):
        Vtn(nothing)


def started(*devices: Table, **upstream: object) -> Ven:
    """A VEN over plain HTTP, if nothing else is said."""
    table: Table = {"store": {"url": "memory"}, "upstream": [{"url": "http://127.0.0.1:9"} | upstream]}
    return Ven(from_table(table | {"device": list(devices)}, HERE))


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ({"driver": "simulated-battery"}, "device[0]: needs id and driver, both text"),
        ({"id": "a", "driver": 3}, "device[0]: needs id and driver, both text"),
        (BATTERY | {"capacity_kw": 3}, 'device "bat-1": driver "simulated-battery" knows no setting `capacity_kw`'),
        (BATTERY | {"power_kw": "3"}, 'device "bat-1": setting `power_kw` of driver "simulated-battery"'),
        (BATTERY | {"weight": -1}, "device[0].weight: must be a number, not negative"),
        (BATTERY | {"at_levels_kw": [1, 2]}, "device[0].at_levels_kw: must be 3 numbers, for the levels 1 to 3"),
        (BATTERY | {"at_levels_part": [1, 2, "off"]}, "device[0].at_levels_part: must be 3 numbers"),
        (
            BATTERY | {"at_levels_kw": [0, 0, 0], "at_levels_part": [1, 1, 0]},
            "device[0]: at_levels_kw and at_levels_part",
        ),
        ({"id": "a", "driver": "simulated-batery"}, "did you mean `simulated-battery`?"),
        ({"id": "a", "driver": "examples.my_driver:Boiler", "rated": 2}, "knows no setting `rated`"),
    ],
)
async def test_a_device_that_cannot_be_driven_is_named_at_the_start(device: Table, said: str) -> None:
    """A foreign driver's settings are as strict as ours."""
    with pytest.raises(SettingsError) as refused:
        async with started(device).running():
            pass

    assert said in str(refused.value)


async def test_two_devices_need_ids_of_their_own() -> None:
    with pytest.raises(SettingsError, match=r"device\[1\]\.id: 'bat-1' is there twice"):
        async with started(BATTERY, BATTERY).running():
            pass


@pytest.mark.parametrize("missing", ["cert", "key", "ca"])
async def test_https_needs_all_three_files(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"upstream 'upstream': {missing}: is missing; https://vtn needs TLS"):
        async with started(**UPSTREAM | {missing: ""}).running():
            pass


async def test_certificates_beside_a_plain_url_are_not_silently_ignored() -> None:
    with pytest.raises(SettingsError, match="cert: is set, yet http://vtn is plain; write https:// or drop it"):
        async with started(url="http://vtn", cert="a.crt").running():
            pass


async def test_a_vtn_cannot_listen_where_there_is_no_port() -> None:
    vtn = Vtn(from_table({"store": {"url": "memory"}, "downstream": {"listen": "localhost"}}, HERE))

    with pytest.raises(SettingsError, match=r"downstream\.listen: 'localhost' is not host:port"):
        async with vtn.running():
            pass


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ("SIMPLE", "upstream.signals: signal 'SIMPLE': SIMPLE goes with level (X-EV-9)"),
        ("SIMPLE/price", "upstream.signals: signal 'SIMPLE/price': SIMPLE goes with level (X-EV-9)"),
        ("MINE/level", "upstream.signals: signal 'MINE/level' is none of OpenADR's; write NAME/TYPE like SIMPLE/level"),
    ],
)
def test_x_ev_9_at_the_ven_a_signal_that_there_is_not_is_no_setting(signal: str, said: str) -> None:
    """One of somebody's own is."""
    from_table({"upstream": [UPSTREAM | {"signals": ["x-MINE/level", "simple/level"]}]}, HERE)

    assert refusal({"upstream": [UPSTREAM | {"signals": ["SIMPLE/level", signal]}]}).startswith(said)
