"""Every rule has a test at each end that it binds; and the check that says so finds what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.rules import RULES
from tests.rules import Claim, claims, unclear, unknown, unproved

TESTS = Path(__file__).parent


def sources() -> Iterator[str]:
    """Each module of tests."""
    return (file.read_text(encoding="utf-8") for file in sorted(TESTS.rglob("test_*.py")))


def everything() -> tuple[Claim, ...]:
    """What all tests say that they prove."""
    return tuple(claim for source in sources() for claim in claims(source))


def test_every_rule_has_a_test_at_each_end_that_it_binds() -> None:
    missing = unproved(everything())

    assert not missing, "\n" + "\n".join(missing)


def test_every_test_of_a_rule_says_at_which_end() -> None:
    """`test_rule_58_at_the_ven_…`, `test_x_ev_6_at_the_vtn_…`, `test_rules_1_45_at_both_ends_…`."""
    wrong = [name for source in sources() for name in unclear(source)]

    assert not wrong, "\n" + "\n".join(wrong)


def test_no_test_is_about_a_rule_that_there_is_not() -> None:
    wrong = unknown(everything())

    assert not wrong, "\n" + "\n".join(wrong)


def test_a_rule_binds_an_end_and_says_something() -> None:
    assert all(rule.ends and rule.text.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize(
    ("name", "proved"),
    [
        ("test_rule_58_at_the_ven_a_lower_number_is_refused", [("58", "ven")]),
        ("test_rules_16_17_at_the_vtn_both_are_understood", [("16", "vtn"), ("17", "vtn")]),
        ("test_x_ev_10_at_the_vtn_it_is_so", [("X-EV-10", "vtn")]),
        ("test_x_opt_1_2_at_the_vtn_it_is_so", [("X-OPT-1", "vtn"), ("X-OPT-2", "vtn")]),
        ("test_rule_8_x_ev_5_at_the_vtn_it_is_so", [("8", "vtn"), ("X-EV-5", "vtn")]),
        ("test_rule_1_at_both_ends_4_digits_are_a_year", None),
        ("test_rule_1_at_both_ends_it_is_so", [("1", "vtn"), ("1", "ven")]),
        ("test_rule_58_a_lower_number_is_refused_at_the_ven", None),
        ("test_rule_58_at_the_ven", None),
        ("test_a_rule_is_a_rule", []),
        ("test_x_rays_are_no_rule", []),
    ],
)
def test_a_name_says_what_is_proved_and_at_which_end(name: str, proved: list[tuple[str, str]] | None) -> None:
    source = f"async def {name}() -> None: ..."

    assert [(claim.rule, claim.end) for claim in claims(source)] == (proved or [])
    assert unclear(source) == ([name] if proved is None else [])


@pytest.mark.parametrize("mark", ["pytest.mark.skip", "pytest.mark.skipif(True, reason='r')", "pytest.mark.xfail"])
def test_a_test_that_is_not_run_proves_nothing(mark: str) -> None:
    assert list(claims(f"@{mark}\ndef test_rule_4_at_the_vtn_it_is_so() -> None: ...")) == []
    assert list(claims("def test_rule_4_at_the_vtn_it_is_so() -> None: ...")) != []


def test_a_missing_proof_is_named_with_its_end() -> None:
    every = [Claim("test", name, end) for name, rule in RULES.items() for end in rule.ends]

    assert unproved(every) == []
    assert unproved([claim for claim in every if (claim.rule, claim.end) != ("66", "ven")]) == [
        f"rule 66 at the VEN: {RULES['66'].text}"
    ]


def test_a_rule_that_there_is_not_is_named_with_its_test() -> None:
    assert unknown([Claim("test_a", "7", "vtn"), Claim("test_b", "4", "vtn")]) == ["test_a is about 7"]
