"""What a run leaves behind: `report.json`, `junit.xml`, and one page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import msgspec

from conformance import page
from conformance.report import Report, counts
from conformance.verdict import Result


def write(report: Report, results: Sequence[Result], folder: Path) -> None:
    """The three files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    (folder / "junit.xml").write_text(_junit(report, results))
    (folder / "report.html").write_text(page.html(report, results))


def _junit(report: Report, results: Sequence[Result]) -> str:
    found = counts(results)
    skipped = sum(found.get(verdict, 0) for verdict in ("blocked", "needs operator", "not implemented"))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name={quoteattr(f"{report.subject} {report.role} {report.mode}")} tests="{len(results)}"'
        f' failures="{found.get("fail", 0)}" skipped="{skipped}" time="{report.took_s}">',
    ]
    for one in results:
        lines.append(
            f'<testcase classname={quoteattr(f"{one.role}.{one.service}")} name={quoteattr(one.id)} time="{one.took_s}">'
        )
        if one.verdict == "fail":
            lines.append(f"<failure message={quoteattr(f'expected {one.expected}; got {one.actual}')}/>")
        elif one.verdict in ("blocked", "needs operator", "not implemented"):
            lines.append(f"<skipped message={quoteattr(f'{one.verdict}: {one.why}')}/>")
        elif one.verdict == "non-strict":
            lines.append(f"<system-out>{escape(f'SHOULD: expected {one.expected}; got {one.actual}')}</system-out>")
        lines.append("</testcase>")
    return "\n".join([*lines, "</testsuite>", ""])
