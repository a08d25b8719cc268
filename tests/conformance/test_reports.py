"""What a run of the harness leaves behind: report.json, junit.xml, the page, and the messages that went and came."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from lxml import etree

from conformance import files, page, report
from conformance.case import Verdict
from conformance.message import Element
from conformance.rules import known
from conformance.run import Plan, run
from conformance.subject import OperatorSettings, SubjectSettings
from conformance.verdict import Result
from tests.conformance import skipping
from tests.conformance.tiny_vtn import TinyVtn, serving
from tests.conformance.wrongs import put

ONLY = ("vtn.registration", "vtn.event.none", "vtn.event.uids")
WRONG = put("oadrCreatedPartyRegistration", "//oadr:oadrProfileName", "2.0a")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What others may count on in a row of report.json."""

    id: str
    rule: str
    level: str
    verdict: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What others may count on in report.json."""

    subject: str
    role: str
    mode: str
    rules_known: int
    rules_covered: int
    cases: tuple[Row, ...]


Run = tuple[Path, tuple[Result, ...]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run against a VTN with a fault, and without an operator."""
    folder: Path = tmp_path_factory.mktemp("out") / "tiny-vtn-pull"

    async def whole() -> tuple[Result, ...]:
        async with serving(TinyVtn(WRONG)) as url:
            settings = SubjectSettings(name="tiny <&>", role="vtn", url=url, operator=OperatorSettings(kind="none"))
            results, sightings = await run(settings, Plan(only=ONLY), folder, lambda one, number, of: None)
        made = report.made(
            results, sightings, subject=settings.name, role="vtn", mode="pull", signed=False, took_s=1.25
        )
        files.write(made, results, folder)
        return results

    return folder, skipping.run(whole())


def _page(folder: Path) -> Element:
    return etree.fromstring((folder / "report.html").read_text(), etree.HTMLParser())


def _said(page: Element, path: str) -> list[str]:
    """The texts or attributes at that path."""
    found = page.xpath(path)
    return [str(one) for one in found] if isinstance(found, list) else []


def test_report_json_says_what_was_tested_and_what_came_of_each_case(ran: Run) -> None:
    folder, results = ran
    read = msgspec.json.decode((folder / "report.json").read_bytes(), type=Written)

    assert (read.subject, read.role, read.mode) == ("tiny <&>", "vtn", "pull")
    assert {one.id for one in read.cases} == {one.id for one in results}
    assert {one.level for one in read.cases} == {"MUST", "SHOULD"}
    assert {(one.id, one.rule) for one in read.cases} >= {(one.id, rule) for one in results for rule in one.rules}
    verdicts = {one.id: one.verdict for one in read.cases}
    assert verdicts["vtn.registration.sanity"] == "pass"
    assert verdicts["vtn.registration.query-unregistered"] == "fail"
    assert verdicts["vtn.event.uids"] == "not implemented"


def test_report_json_counts_the_rules_on_which_there_is_a_verdict(ran: Run) -> None:
    folder, results = ran
    read = msgspec.json.decode((folder / "report.json").read_bytes(), type=Written)
    judged = {rule for one in results if one.verdict in ("pass", "fail", "non-strict") for rule in one.rules}

    assert read.rules_known == len(known("vtn"))
    assert read.rules_covered == len(judged & set(known("vtn")))
    assert 0 < read.rules_covered < read.rules_known


def test_junit_xml_counts_what_failed_and_what_was_left_out(ran: Run) -> None:
    folder, results = ran
    suite = etree.parse(str(folder / "junit.xml")).getroot()

    assert suite.get("tests") == str(len(results)) == str(len(suite.findall("testcase")))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))
    failed = {case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None}
    assert failed == {one.id for one in results if one.verdict == "fail"}


def test_the_page_needs_nothing_from_elsewhere(ran: Run) -> None:
    folder, _ = ran
    page = _page(folder)

    links = _said(page, "//@href | //@src | //@action | //@data")
    assert links
    assert [link for link in links if not link.startswith("#")] == []
    assert page.findall(".//link") == []
    text = (folder / "report.html").read_text()
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_has_each_case_with_its_verdict_and_its_messages(ran: Run) -> None:
    folder, results = ran
    page = _page(folder)

    found = {one.get("id"): one.get("data-verdict") for one in page.iterfind(".//details[@id]")}
    assert found == {one.id: one.verdict for one in results}
    failed = "//details[@id='vtn.registration.query-unregistered']"
    text = "".join(_said(page, f"{failed}//text()"))
    assert "profile 2.0b" in text
    assert "oadrCreatedPartyRegistration" in text
    assert _said(page, f"{failed}//mark/text()")


def test_the_page_leads_from_each_rule_to_its_cases(ran: Run) -> None:
    folder, _ = ran
    page = _page(folder)

    ids, chips = set(_said(page, "//@id")), _said(page, "//a/@href")
    assert chips
    assert [link for link in chips if link.removeprefix("#") not in ids] == []


def test_all_traffic_is_kept_as_it_was_sent(ran: Run) -> None:
    folder, results = ran
    for one in results:
        if not one.exchanges:
            continue
        kept = sorted(path.name for path in (folder / one.folder).iterdir())
        assert sum(name.endswith(".request.xml") for name in kept) == len(one.exchanges)
        assert sum(".answer-" in name for name in kept) == sum(each.status > 0 for each in one.exchanges)


@pytest.mark.parametrize(("verdict", "most"), [("pass", page.GLANCE), ("fail", page.WHOLE)])
def test_the_page_shows_so_much_of_a_long_message(ran: Run, verdict: Verdict, most: int) -> None:
    """A hostile body has megabytes; the file beside the page has all of it."""
    _, (first, *_) = ran
    texts = {size: "x" * size for size in (most, most + 1)}

    for size, text in texts.items():
        exchange = msgspec.structs.replace(first.exchanges[0], request_text=text, answer_text="")
        one = msgspec.structs.replace(first, verdict=verdict, exchanges=(exchange,), evidence=None)
        made = report.made((one,), {}, subject="s", role="vtn", mode="pull", signed=False, took_s=0)
        shown = page.html(made, (one,))

        assert "x" * most in shown
        assert ("x" * size in shown) is (size == most)
        assert ("1 characters more" in shown) is (size > most)
