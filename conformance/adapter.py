"""An adapter of the VTN's own interface, in TOML: for each action an HTTP request or a command.

```toml
[operator.actions.create_event]
request = "POST http://127.0.0.1:8088/events"     # or: command = "ctl event create --start {start}"
headers = {Authorization = "Bearer {file:console.token}"}
body = '{"start": "{start}", "values": {values}}'
result = "id"                                      # where the answer's JSON has the id; "": nothing is needed
unsupported = ["startafter_s"]                     # fields of the wish that it has no word for
```

Texts may hold the fields of the wish: `{ven_id} {start} {every_s} {count} {values} {signal} {type} {unit} {signals}
{market_context} {priority} {required} {startafter_s} {notification_s} {ramp_up_s} {test} {comment} {event_id}
{request_id} {name} {specifier} {points} {granularity_s} {back_s} {duration_s} {to_follow} {resources}
{device_classes} {baseline}`, lists as JSON; `{kilo_values}` and `{kilo_baseline}` with powers and energies in
thousands; `{name}` of a signal is its name/type; `{others}` is what `other` makes of each further signal; and
`{file:NAME}` what a file holds, of the instance, or else of the folder where the harness runs.
`{?field} … {/field}` stays only where the field says something.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from conformance import http
from conformance.case import NeedsOperator, NotSupported
from conformance.operator import EventWish, Refused, ReportWish, SignalWish
from conformance.subject import Places

WITHIN_S = 10.0

UP_WITHIN_S = 5.0
"""So long after the VTN listens its own interface may begin to."""

Value = str | int | float | bool | None


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one thing is done. `otherwise`: another body or command by the value of `choose`, such as a signal's name.
    `other`: what each signal of an event after its first becomes in `{others}`, with commas between."""

    request: str = ""
    command: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    choose: str = ""
    otherwise: dict[str, str] = {}
    other: str = ""
    result: str = ""
    unsupported: tuple[str, ...] = ()


class Adapter:
    """Does what its table says; an action that it has not got is not supported."""

    def __init__(self, actions: dict[str, dict[str, object]], at: Places) -> None:
        self._actions = msgspec.convert(actions, dict[str, Action])
        self._at = at

    async def create_event(self, wish: EventWish) -> str:
        return await self._event("create_event", wish, {})

    async def change_event(self, event_id: str, wish: EventWish) -> None:
        await self._event("change_event", wish, {"event_id": event_id})

    async def cancel_event(self, event_id: str) -> None:
        await self.do("cancel_event", {"event_id": event_id})

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        return await self.do("opt_of", {"event_id": event_id, "ven_id": ven_id})

    async def request_report(self, wish: ReportWish) -> str:
        return await self.do("request_report", _report(wish), _used(wish))

    async def cancel_report(self, ven_id: str, request_id: str, *, to_follow: bool) -> None:
        await self.do("cancel_report", {"ven_id": ven_id, "request_id": request_id, "to_follow": to_follow})

    async def request_reregistration(self, ven_id: str) -> None:
        await self.do("request_reregistration", {"ven_id": ven_id})

    async def cancel_registration(self, ven_id: str) -> None:
        await self.do("cancel_registration", {"ven_id": ven_id})

    async def close(self) -> None:
        return

    async def do(self, name: str, values: dict[str, Value], used: frozenset[str] = frozenset()) -> str:
        """Carry out the action of that name; its result. Raises NotSupported for one that the table has not got."""
        action = self._actions.get(name)
        if action is None:
            raise NotSupported(f"the operator's table has no action {name}")
        if missing := used & set(action.unsupported):
            raise NotSupported(f"action {name} has no word for {', '.join(sorted(missing))}")
        text = action.body or action.command
        if action.choose:
            chosen = str(values.get(action.choose, ""))
            text = action.otherwise.get(chosen, "")
            if not text:
                raise NotSupported(f"action {name} has none for {action.choose} {chosen}")
        return await self._done(action, text, values)

    async def _event(self, name: str, wish: EventWish, more: dict[str, Value]) -> str:
        """As `do`, with the further signals of the event filled into the text that the action has for one."""
        action = self._actions.get(name)
        other = action.other if action is not None else ""
        others = ", ".join(self._filled(other, _signal(one)) for one in wish.signals[1:])
        return await self.do(name, {**_event(wish), **more, "others": others}, _used(wish))

    async def _done(self, action: Action, text: str, values: dict[str, Value]) -> str:
        answer = await (self._request(action, text, values) if action.request else self._command(text, values))
        return _at_path(answer, self._filled(action.result, values)) if action.result else ""

    async def _request(self, action: Action, body: str, values: dict[str, Value]) -> str:
        method, _, url = self._filled(action.request, values).partition(" ")
        raw = self._filled(body, values).encode()
        parts = urlsplit(url)
        headers = [
            ("Host", parts.netloc),
            ("Content-Length", str(len(raw))),
            ("Connection", "close"),
            *((name, self._filled(text, values)) for name, text in action.headers.items()),
        ]
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        sent = http.request_bytes(path, headers, raw, method=method)
        answer = await _answer(url, sent, tls)
        if answer.status >= 300:
            said = f"{method} {url}: {answer.status} {answer.body[:300].decode(errors='replace')}"
            if answer.status in (401, 403):
                raise NeedsOperator(f"the VTN's own interface does not let the harness in: {said}")
            raise Refused(said) if answer.status < 500 else ValueError(said)
        return answer.body.decode()

    async def _command(self, text: str, values: dict[str, Value]) -> str:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(self._filled(text, values)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._at("{dir}"),
        )
        out, error = await asyncio.wait_for(process.communicate(), WITHIN_S)
        if process.returncode:
            raise Refused(f"{text}: status {process.returncode}: {error.decode(errors='replace')[:300]}")
        return out.decode()

    def _filled(self, text: str, values: dict[str, Value]) -> str:
        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("file:"):
                return self._file(name[5:])
            if name not in values:
                return match[0]
            value = values[name]
            return value if isinstance(value, str) else json.dumps(value)

        kept = re.sub(r"\{\?(\w+)\}(.*?)\{/\1\}", lambda found: found[2] if _is_said(values, found[1]) else "", text)
        return re.sub(r"\{([\w:./\-]+)\}", one, self._at(kept))

    def _file(self, name: str) -> str:
        """Raises NeedsOperator for one that there is not: the subject can do nothing about that."""
        found = next((one for one in (Path(self._at("{dir}")) / name, Path(name)) if one.is_file()), None)
        if found is None:
            raise NeedsOperator(f"the operator's table names {{file:{name}}}, and there is no such file")
        return found.read_text().strip()


async def _answer(url: str, sent: bytes, tls: ssl.SSLContext | None) -> http.Answer:
    """What the interface answers. OSError if it does not; one that listens later than the VTN itself is waited for."""
    until = time.monotonic() + UP_WITHIN_S
    while True:
        try:
            return await http.exchange(url, (sent,), tls=tls, within_s=WITHIN_S)
        except http.NoAnswer as error:
            if not isinstance(error.__cause__, ConnectionRefusedError) or time.monotonic() > until:
                raise OSError(f"{url}: {error}") from error
            await asyncio.sleep(0.1)


def _is_said(values: dict[str, Value], name: str) -> bool:
    """Is it there, and neither nothing nor an empty list?"""
    return values.get(name) not in (None, "", "[]", "null", 0, False)


def _event(wish: EventWish) -> dict[str, Value]:
    return {
        **{name: value for name, value in msgspec.structs.asdict(wish).items() if isinstance(value, Value)},
        "start": time_text(wish.start),
        "count": wish.count,
        **_signal(wish.signals[0]),
        "baseline": json.dumps(wish.baseline_w),
        "kilo_baseline": json.dumps([value / 1000 for value in wish.baseline_w]),
        "signals": msgspec.json.encode(wish.signals).decode(),
        "resources": json.dumps(wish.resources),
        "required": "always" if wish.response_required else "never",
        "priority": json.dumps(wish.priority),
        "test": json.dumps(wish.test),
    }


def _signal(wish: SignalWish) -> dict[str, Value]:
    thousands = 1000 if wish.unit.startswith(("power", "energy")) else 1
    return {
        "values": json.dumps(wish.values),
        "kilo_values": json.dumps([value / thousands for value in wish.values]),
        "signal": wish.name,
        "type": wish.type,
        "unit": wish.unit,
        "name": f"{wish.name}/{wish.type}",
        "device_classes": json.dumps([wish.device_class] if wish.device_class else []),
    }


def _report(wish: ReportWish) -> dict[str, Value]:
    return {
        **{name: value for name, value in msgspec.structs.asdict(wish).items() if isinstance(value, Value)},
        "points": json.dumps(wish.points),
        "start": json.dumps(time_text(wish.start)) if wish.start else "null",
    }


def _used(wish: EventWish | ReportWish) -> frozenset[str]:
    """The fields of a wish that are not as usual."""
    usual = {one.name: one.default for one in msgspec.structs.fields(wish)}
    used = {name for name, value in msgspec.structs.asdict(wish).items() if value != usual[name]}
    if isinstance(wish, EventWish) and len(wish.signals) > 1:
        used.add("several signals")
    if isinstance(wish, EventWish) and any(one.device_class for one in wish.signals):
        used.add("device_class")
    return frozenset(used)


def time_text(moment: datetime, *, plus_s: float = 0) -> str:
    """UTC, whole seconds."""
    return (moment + timedelta(seconds=plus_s)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at_path(text: str, path: str) -> str:
    """The value at `a.b.0` of a JSON text; "" for null. ValueError where there is none."""
    value: object = json.loads(text)
    for step in path.split("."):
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            case _:
                raise ValueError(f"the answer has nothing at {path}: {text[:200]}")
    return "" if value is None else str(value)
