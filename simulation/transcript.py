"""What happened, line by line, for whoever has to understand a failure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.node import EndNode
from openadr_ra.protocol.step import State
from openadr_ra.protocol.vtn import Party
from simulation.site import Site
from simulation.stage import Sight
from simulation.timeline import Timeline

MOST_LINES = 120
"""Of a failure so many lines are shown, the last ones."""


class Line(NamedTuple):
    at: str
    node: str
    what: str

    def __str__(self) -> str:
        return f"{self.at} {self.node:6} {self.what}"


class Transcript:
    """The lines of one simulation, and a digest of them all."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._timeline: Timeline | None = None

    def times(self, timeline: Timeline) -> None:
        """From now on lines are written with this time."""
        self._timeline = timeline

    def note(self, node: str, what: str) -> None:
        at = f"{self._timeline.now:%dT%H:%M:%S.%f}" if self._timeline is not None else ""
        self.lines.append(Line(at, node, what))

    @property
    def digest(self) -> str:
        """The same for the same lines."""
        return hashlib.sha256("\n".join(map(str, self.lines)).encode()).hexdigest()

    def shortened(self, nodes: Iterable[str]) -> tuple[Line, ...]:
        """What concerns these nodes: orders, faults, messages but idle polls, and what changed; the last lines of that."""
        wanted = set(nodes)
        found: list[Line] = []
        for line in self.lines:
            if line.node not in wanted and not (line.what.startswith("!") or "clock set" in line.what):
                continue
            if (
                line.what == "< Response"
                and found
                and found[-1].what.endswith(": Poll")
                and found[-1].node == line.node
            ):
                found.pop()
                continue
            found.append(line)
        return tuple(found[-MOST_LINES:])


def changes(sight: Sight) -> str:
    """What of a row is another now, as far as it tells a reader something."""
    old, new = _summary(sight.before), _summary(sight.outcome.state)
    return ", ".join(
        f"{name} {old.get(name, '-')} -> {new.get(name, '-')}" for name in old | new if old.get(name) != new.get(name)
    )


def _summary(state: State | None) -> dict[str, str]:
    match state:
        case EndNode():
            return _of_node(state)
        case Party():
            return _of_party(state)
        case Site():
            return {
                name: f"{item.modification} {'followed' if item.follows else 'refused'}"
                for name, item in state.promised.items()
            }
        case Instruction():
            return {state.id: f"{state.modification}{' cancelled' if state.cancelled else ''}"}
    return {}


def _of_node(state: EndNode) -> dict[str, str]:
    found = {"is": f"{state.member.phase} {state.member.registration_id}"}
    for name, item in state.agenda.items():
        word = f" word {item.local_opt}" if item.local_opt is not None else ""
        found[name] = f"{item.event.modification} {item.event.status} {item.opt} answered {item.answered}{word}"
    found |= {debt.id: f"{type(debt.work).__name__} tried {debt.tries}" for debt in state.debts}
    found |= {f"serves {name}": item.sent_until.strftime("%H:%M:%S") for name, item in state.producer.requests.items()}
    found |= {f"opt {name}": item.opt for name, item in state.opts.items()}
    return found


def _of_party(state: Party) -> dict[str, str]:
    found = {"has": str(state.registration.id if state.registration is not None else None)}
    for name, item in state.events.items():
        by = " by opt" if item.by_opt else ""
        found[name] = f"{item.event.modification} sent {item.delivered} answered {item.answered} {item.opt}{by}"
    found |= {debt.id: type(debt.work).__name__ for debt in state.debts}
    found |= {
        f"asks {name}": "running"
        if item.running
        else "ending"
        if item.ending
        else "asked"
        if item.asked_at
        else "to ask"
        for name, item in state.reports.requests.items()
    }
    found |= {f"opt {name}": item.opt for name, item in state.opts.items()}
    return found
