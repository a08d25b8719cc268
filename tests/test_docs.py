"""What the documents draw from the code is drawn again here and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from openadr_ra.protocol.registration import TRANSITIONS, Phase
from openadr_ra.settings import read

DOCS = Path(__file__).parent.parent / "docs"


def drawn() -> str:
    """`TRANSITIONS` as a table of phases and moves."""
    moves = sorted({move for _, move in TRANSITIONS})
    phases: tuple[Phase, ...] = ("new", "registered", "ended")
    lines = [
        "# A VEN's registration",
        "",
        "Drawn from `openadr_ra/protocol/registration.py`. An empty cell cannot happen and is refused with 451.",
        "",
        "| move | " + " | ".join(phases) + " |",
        "|---|" + "---|" * len(phases),
    ]
    for move in moves:
        cells = [TRANSITIONS.get((phase, move), "") for phase in phases]
        lines.append(f"| {move} | " + " | ".join(f"→ {cell}" if cell else "" for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def test_the_registration_table_in_the_docs_is_the_one_in_the_code() -> None:
    """A changed transition shows up in `docs/registration.md`, or this fails; the message is the new page."""
    page = (DOCS / "registration.md").read_text()

    assert page == drawn(), drawn()


def toml_blocks() -> list[str]:
    """The settings of VTNs that the pages show."""
    return [
        block.partition("```")[0]
        for page in sorted(DOCS.glob("*.md"))
        for block in page.read_text("utf-8").split("```toml\n")[1:]
        if "[downstream]" in block
    ]


@pytest.mark.parametrize("block", toml_blocks())
def test_settings_in_the_docs_can_be_used(block: str, tmp_path: Path) -> None:
    """Each block is a whole file."""
    file = tmp_path / "node.toml"
    file.write_text(block, "utf-8")

    assert read(file).name
