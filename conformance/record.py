"""All traffic of a case, in order, in both directions."""

from __future__ import annotations

from datetime import datetime

from conformance.clock import now
from conformance.message import Message, Sender


class Exchange:
    """A request and what came back for it. `status` 0: no answer came, `fault` says why."""

    __slots__ = ("answer", "answered_at", "at", "fault", "number", "request", "sender", "service", "status")

    def __init__(self, number: int, sender: Sender, service: str, request: Message) -> None:
        self.number = number
        self.sender: Sender = sender
        self.service = service
        self.request = request
        self.at = now()
        self.answer: Message | None = None
        self.answered_at: datetime | None = None
        self.status = 0
        self.fault = ""

    def ended(self, status: int, answer: Message) -> None:
        self.status, self.answer, self.answered_at = status, answer, now()

    def failed(self, why: str) -> None:
        self.fault, self.answered_at = why, now()

    @property
    def messages(self) -> tuple[Message, ...]:
        return (self.request,) if self.answer is None else (self.request, self.answer)


class Record:
    """The exchanges of one case."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def begin(self, sender: Sender, service: str, request: Message) -> Exchange:
        exchange = Exchange(len(self.exchanges) + 1, sender, service, request)
        self.exchanges.append(exchange)
        return exchange

    @property
    def from_subject(self) -> tuple[Message, ...]:
        """What the subject sent, requests and answers alike."""
        return tuple(one for each in self.exchanges for one in each.messages if one.sender == "subject")
