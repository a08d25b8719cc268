"""A subject that means harm: each case ends in its time with a verdict, and the run goes on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conformance.run import Plan, run
from conformance.subject import OperatorSettings, SubjectSettings
from conformance.verdict import Result
from tests.conformance import skipping
from tests.conformance.front import fronted
from tests.conformance.tiny_state import Flaw
from tests.conformance.tiny_vtn import TinyVtn, serving
from tests.conformance.wrongs import Below, Front, Mutation, swap

BAD, GOOD = "vtn.registration.query-unregistered", "vtn.registration.without-name"
HOSTILE: tuple[Below, ...] = ("hang", "close", "garbage", "flood", "drip", "lie", "negative", "continue", "500", "good")
CREATED = "oadrCreatedPartyRegistration"
ONLY_QUERIES = "./ei:eiResponse[not(../ei:registrationID)]"
FIRST = '<?xml version="1.0" encoding="UTF-8"?>'

ANSWERS: dict[str, Mutation] = {
    "entities": Mutation(
        kind=CREATED,
        where=ONLY_QUERIES,
        swap=((FIRST, f'{FIRST}<!DOCTYPE a [<!ENTITY b "c">]>'), ("Tiny-VTN", "&b;")),
    ),
    "entities of entities": Mutation(
        kind=CREATED,
        where=ONLY_QUERIES,
        swap=(
            (
                FIRST,
                f'{FIRST}<!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "{"&b;" * 1000}"><!ENTITY e "{"&d;" * 1000}">]>',
            ),
            ("Tiny-VTN", "&e;"),
        ),
    ),
    "depth": swap(CREATED, "<ei:vtnID>", "<ei:a>" * 5000 + "<ei:vtnID>", where=ONLY_QUERIES),
    "another encoding": swap(CREATED, 'encoding="UTF-8"', 'encoding="UTF-16"', where=ONLY_QUERIES),
    "an unknown encoding": swap(CREATED, 'encoding="UTF-8"', 'encoding="x-none"', where=ONLY_QUERIES),
    "a NUL": swap(CREATED, "Tiny-VTN", "\0", where=ONLY_QUERIES),
    "a processing instruction": swap(CREATED, "<ei:vtnID>", "<?a?><!-- b --><ei:vtnID>", where=ONLY_QUERIES),
}


def _run(folder: Path, *flaws: Flaw) -> dict[str, Result]:
    """The results of a run of the sanity case, a case in which the VTN is hostile, and one in which it is not."""

    async def whole() -> tuple[Result, ...]:
        async with serving(TinyVtn(*flaws)) as url, fronted(url, _front(*flaws)) as met:
            settings = SubjectSettings(name="tiny", role="vtn", url=met, operator=OperatorSettings(kind="none"))
            results, _ = await run(settings, Plan(only=(BAD, GOOD)), folder, lambda one, number, of: None)
            return results

    return {one.id: one for one in skipping.run(whole())}


def _front(*flaws: Flaw) -> Front:
    """The flaw below HTTP, or one that nothing meets."""
    return next((one for one in flaws if isinstance(one, Front)), Front(on="a^"))


@pytest.mark.parametrize("does", HOSTILE)
def test_a_vtn_that_is_hostile_below_http_fails_the_case_and_the_next_one_is_run(does: Below, tmp_path: Path) -> None:
    results = _run(tmp_path, Front(on="oadrQueryRegistration", does=does))

    assert results["vtn.registration.sanity"].verdict == "pass"
    assert results[BAD].verdict == "fail"
    assert results[BAD].actual
    assert results[GOOD].verdict == "pass"


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_odd_xml_ends_in_a_verdict_and_the_next_case_is_run(answer: str, tmp_path: Path) -> None:
    results = _run(tmp_path, ANSWERS[answer])

    assert results["vtn.registration.sanity"].verdict == "pass"
    assert results[BAD].verdict in ("pass", "fail")
    assert results[GOOD].verdict == "pass"


@pytest.mark.parametrize("does", HOSTILE)
def test_a_vtn_that_is_hostile_from_the_start_blocks_everything_but_the_sanity_case(
    does: Below, tmp_path: Path
) -> None:
    results = _run(tmp_path, Front(does=does))

    assert results["vtn.registration.sanity"].verdict == "fail"
    assert {results[BAD].verdict, results[GOOD].verdict} == {"blocked"}


def test_nobody_at_the_address_fails_the_sanity_case_and_blocks_the_others(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Bound, and nobody listens: connections are refused, and nobody else can take it.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = SubjectSettings(name="none", role="vtn", url=url, operator=OperatorSettings(kind="none"))
        results, _ = skipping.run(run(settings, Plan(only=(BAD,)), tmp_path, lambda one, number, of: None))

    assert [one.verdict for one in results if one.id == "vtn.registration.sanity"] == ["fail"]
    assert [one.verdict for one in results if one.id == BAD] == ["blocked"]
