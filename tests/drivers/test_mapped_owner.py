"""Whose will a device follows: what counts as somebody else's, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openadr_ra.drivers.mapped.mapping import Seen
from openadr_ra.drivers.mapped.owner import Line, Owner
from tests.drivers.makers import after

LINE: Line = (1, 0)
OTHER_LINE: Line = (2, 0)
UNTIL = after(60)
THEIRS = "another controller set it to 3 kW"
OFF = "its remote mode was switched off"


def owner() -> Owner:
    """Of a device that follows us at -2 kW from 0 to 60 s."""
    made = Owner(tolerance_kw=0.01, echo=timedelta(seconds=5), counts_for=timedelta(minutes=30))
    made.wrote(-2.0, after(0), UNTIL, LINE)
    return made


def shows(kw: float | None = None, *, enabled: bool | None = None, parked: bool = False, local: bool = False) -> Seen:
    return Seen(at=after(0), kw=0.0, setpoint_kw=kw, enabled=enabled, parked=parked, local=local)


@pytest.mark.parametrize(("kw", "said"), [(-2.0, ""), (-2.01, ""), (-1.99, ""), (3.0, THEIRS)])
def test_a_set_point_that_is_not_ours_is_somebodys(kw: float, said: str) -> None:
    assert owner().other(shows(kw), after(10), LINE) == said


def test_half_a_step_more_than_rounding_is_somebodys() -> None:
    assert owner().other(shows(-1.98), after(10), LINE) == "another controller set it to -1.98 kW"


@pytest.mark.parametrize(("seconds", "said"), [(4.9, ""), (5.0, THEIRS)])
def test_the_device_is_given_time_to_show_a_new_set_point(seconds: float, said: str) -> None:
    assert owner().other(shows(3.0), after(seconds), LINE) == said


@pytest.mark.parametrize(("seconds", "said"), [(54.9, THEIRS), (55.0, "")])
def test_near_the_end_of_its_lease_it_may_let_go_by_itself(seconds: float, said: str) -> None:
    assert owner().other(shows(3.0), after(seconds), LINE) == said


def test_a_renewed_set_point_is_still_the_same() -> None:
    """Its time to be shown does not begin anew, and its lease is longer."""
    held = owner()
    held.wrote(-2.0, after(50), after(110), LINE)

    assert held.other(shows(3.0), after(54), LINE) == THEIRS


def test_after_an_interruption_what_it_shows_is_nobodys_will() -> None:
    assert owner().other(shows(3.0), after(10), OTHER_LINE) == ""
    assert owner().other(shows(enabled=False), after(10), OTHER_LINE) == ""


def test_a_device_that_let_go_by_itself_follows_nobody() -> None:
    assert owner().other(shows(parked=True), after(10), LINE) == ""


def test_a_remote_mode_that_is_switched_off_is_somebodys_will() -> None:
    assert owner().other(shows(-2.0, enabled=False), after(10), LINE) == OFF
    assert owner().other(shows(parked=True, enabled=False), after(10), LINE) == OFF
    assert owner().other(shows(-2.0, enabled=True), after(10), LINE) == ""


def test_local_mode_comes_before_everything() -> None:
    assert owner().other(shows(3.0, local=True), after(10), LINE) == "it is in local mode"
    assert owner().other(shows(-2.0, local=True), after(0), OTHER_LINE) == "it is in local mode"


def test_what_we_never_wrote_is_not_missed() -> None:
    fresh = Owner(tolerance_kw=0.01, echo=timedelta(seconds=5), counts_for=timedelta(minutes=30))

    assert fresh.other(shows(3.0, enabled=False), after(10), LINE) == ""


def test_what_we_let_go_is_not_missed() -> None:
    held = owner()
    held.let_go()

    assert held.other(shows(3.0), after(10), LINE) == ""


@pytest.mark.parametrize(("seconds", "said"), [(1809.9, THEIRS), (1810.0, "")])
def test_another_controllers_will_counts_for_so_long(seconds: float, said: str) -> None:
    held = owner()
    held.other(shows(3.0), after(10), LINE)

    assert held.other(shows(3.0), after(seconds), LINE) == said
    assert held.taken is bool(said)


def test_a_controller_that_goes_on_setting_it_counts_anew() -> None:
    held = owner()
    held.other(shows(3.0), after(10), LINE)

    assert held.other(shows(1.0), after(1800), LINE) == "another controller set it to 1 kW"
    assert held.other(shows(1.0), after(1820), LINE) == "another controller set it to 1 kW"


def test_it_is_over_when_the_other_lets_go() -> None:
    held = owner()
    held.other(shows(3.0), after(10), LINE)

    assert held.other(shows(parked=True), after(20), LINE) == ""
    assert not held.taken


def test_it_is_over_when_remote_mode_is_on_again() -> None:
    held = owner()

    assert held.other(shows(-2.0, enabled=False), after(10), LINE) == OFF
    assert not held.taken
    assert held.other(shows(-2.0), after(20), LINE) == OFF
    assert held.other(shows(-2.0, enabled=True), after(30), LINE) == ""
