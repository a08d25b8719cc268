"""One self-contained page of a run: the matrix of rules, the verdicts with their evidence, the messages folded in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from conformance.report import Report
from conformance.rules import RULES, known
from conformance.verdict import Evidence, Result, Seen

FOLDER = Path(__file__).parent

AROUND = 12
"""Lines of a message that are shown before and after the marked one."""

MOST_LINES = 400
"""Of a message in which no single line is wrong."""

WHOLE, GLANCE = 50_000, 4_000
"""Characters of a message that are shown, in a case that did not pass and in one that did: a run has thousands."""


def html(report: Report, results: Sequence[Result]) -> str:
    """The whole page."""
    title = f"{report.subject}: OpenADR 2.0b {report.role.upper()}, {report.mode}{', signed' if report.signed else ''}"
    body = "".join((_head(report, title), _matrix(report, results), _pics(report), _cases(results), _unknown(report)))
    style, script = ((FOLDER / name).read_text() for name in ("page.css", "page.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}<script>{script}</script></body></html>\n"
    )


def _head(report: Report, title: str) -> str:
    chips = "".join(f'<span class="v {_class(name)}">{count} {name}</span>' for name, count in report.verdicts.items())
    return (
        f'<h1>{escape(title)}</h1><p class="dim">{escape(report.at)}, {report.took_s:g} s. This is no certification.</p>'
        f'<p class="counts">{chips}</p><p>{report.rules_covered} of {report.rules_known} rules with a known text are covered'
        f"{_missing(report.rules_uncovered)}.</p>"
    )


def _missing(rules: Iterable[str]) -> str:
    named = ", ".join(rules)
    return f"; not: {escape(named)}" if named else ""


def _matrix(report: Report, results: Sequence[Result]) -> str:
    rows = []
    for rule in known(report.role):
        about = [one for one in results if rule in one.rules]
        chips = "".join(
            f'<a class="v {_class(one.verdict)}" href="#{escape(one.id)}" title="{escape(one.verdict)}: {escape(one.says)}">'
            f"{escape(one.id.split('.', 1)[1])}</a>"
            for one in about
        )
        nothing = '<span class="v nothing">no case</span>'
        rows.append(
            f'<tr><td class="rule">{escape(rule)}</td><td>{escape(RULES[rule].text)}</td>'
            f'<td><div class="chips">{chips or nothing}</div></td></tr>'
        )
    return f"<h2>Rules</h2><table><tr><th>Rule</th><th>What it asks for</th><th>Cases</th></tr>{''.join(rows)}</table>"


def _pics(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{topic}</td><td>{escape(', '.join(f'{what} ({count})' for what, count in found.items()))}</td></tr>"
        for topic, found in sorted(report.seen.items())
    )
    return f"<h2>Seen to be supported</h2><table><tr><th>Topic</th><th>What, and how often</th></tr>{rows}</table>"


def _cases(results: Sequence[Result]) -> str:
    verdicts = list(dict.fromkeys(one.verdict for one in results))
    buttons = '<button class="on" data-verdict="">all</button>' + "".join(
        f'<button data-verdict="{one}">{one}</button>' for one in verdicts
    )
    services = list(dict.fromkeys(one.service for one in results))
    sections = "".join(
        f"<h3>{escape(service)}</h3>" + "".join(_case(one) for one in results if one.service == service)
        for service in services
    )
    return f"<h2>Cases</h2><nav>{buttons}</nav>{sections}"


def _case(one: Result) -> str:
    facts = {
        "requirement": one.says,
        "rules": ", ".join(one.rules),
        "level": one.level,
        "certification cases": ", ".join(one.certification),
        "sent": one.sends,
        "passes if": one.expects,
        "expected": one.expected,
        "actual": one.actual,
        "why": one.why,
        "took": f"{one.took_s:g} s" if one.took_s else "",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    most = WHOLE if one.verdict != "pass" else GLANCE
    whose = "" if one.evidence is None else "subject's" if one.evidence.sender == "subject" else "harness's"
    marked = f"<p>The {whose} message:</p>{_marked(one.evidence)}" if one.evidence is not None else ""
    return (
        f'<details class="case" id="{escape(one.id)}" data-verdict="{one.verdict}"><summary>'
        f'<span class="v {_class(one.verdict)}">{one.verdict}</span> {escape(one.id)}'
        f'<span class="says">{escape(one.says)}</span>'
        f"</summary><dl>{rows}</dl>{marked}{''.join(_exchange(each, most) for each in one.exchanges)}</details>"
    )


def _exchange(one: Seen, most: int) -> str:
    outcome = f"{one.status} {one.answer}" if one.status else one.fault
    return (
        f"<details><summary>{one.number}. {escape(one.sender)}: {escape(one.request)} → {escape(outcome)}"
        f'<span class="says">{escape(one.service)}, {escape(one.at)}</span></summary>'
        f"<pre>{_cut(one.request_text, most)}</pre><pre>{_cut(one.answer_text, most)}</pre></details>"
    )


def _cut(text: str, most: int) -> str:
    """So much of a message; the whole is in a file."""
    rest = len(text) - most
    return escape(text) if rest <= 0 else f"{escape(text[:most])}\n… and {rest} characters more, in the folder messages"


def _marked(evidence: Evidence) -> str:
    lines = evidence.text.splitlines()
    at = evidence.line
    first, last = (0, MOST_LINES) if at is None else (max(at - 1 - AROUND, 0), at + AROUND)
    shown = [
        f"<mark>{number:4} {escape(line)}</mark>" if number == at else f"{number:4} {escape(line)}\n"
        for number, line in enumerate(lines[first:last], first + 1)
    ]
    return f"<pre>{''.join(shown)}</pre>"


def _unknown(report: Report) -> str:
    named = ", ".join(report.rules_text_unknown)
    return f'<h2>Rules without a known text</h2><p class="dim">{escape(named)}: nothing is tested for them by name.</p>'


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")
