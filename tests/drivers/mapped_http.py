"""The battery behind a customer's energy management system: JSON over HTTP, powers in W, the state of charge a fraction."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

from aiohttp import web

from openadr_ra.drivers import VirtualClock, build
from openadr_ra.drivers.mapped.http import MappedHttp
from openadr_ra.seams import Clock
from tests.drivers.makers import DEVICE
from tests.drivers.mapped_plant import CAPACITY_KWH, RATED_KW, RESERVE_PERCENT, Plant


class Ems:
    """GET /v1/state, PUT /v1/control; says what it is told to say instead."""

    def __init__(self, plant: Plant, *, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.plant = plant
        self.token = token
        self.tls = tls
        self.port = 0
        self.gate = asyncio.Event()
        self.gate.set()
        """Closed, no request is answered before it opens."""
        self.refusing: dict[str, int] = {}
        """By method: the status that is answered instead."""
        self.body: bytes | None = None
        """Said instead of the state."""
        self.heard: list[tuple[str, str, object]] = []
        self.runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.unplug()

    async def plug(self) -> None:
        """Listen; the second time where it was."""
        app = web.Application()
        app.router.add_get("/v1/state", self.state)
        for method in ("PUT", "POST", "PATCH"):
            app.router.add_route(method, "/v1/control", self.control)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def unplug(self) -> None:
        """Connections break, and nobody listens."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def state(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        if refusal := self._refusal(request):
            return refusal
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        plant = self.plant
        kw = plant.kw
        return web.json_response(
            {
                "battery": {
                    "power": kw * 1000,
                    "soc": plant.soc_percent / 100,
                    "mode": "local" if plant.by_hand_kw is not None else "auto",
                    "limits": {"discharge": -plant.min_kw * 1000, "charge": plant.max_kw * 1000},
                },
                "meters": [{"import": plant.import_kwh, "export": plant.export_kwh}],
                "control": {"power": plant.setpoint_kw * 1000 if plant.remote else None, "remote": plant.remote},
            }
        )

    async def control(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        body = await request.json()
        self.heard.append((request.method, request.path, body))
        if refusal := self._refusal(request):
            return refusal
        if "power" in body:
            self.plant.set_kw(body["power"]["target"] / 1000)
            self.plant.set_timer(body["power"]["for"])
        if "remote" in body:
            self.plant.set_remote(body["remote"])
        return web.Response(status=204)

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        status = self.refusing.get(request.method)
        return None if status is None else web.Response(status=status, headers={"Location": "/v1/state"})


PATIENCE_S = 20.0
"""So long a slow machine may take for an answer."""

STATE, CONTROL = "/state", "/control"


def settings(port: int, **changes: object) -> dict[str, object]:
    """What such a battery's [[device]] says."""
    found: dict[str, object] = {
        "url": f"http://127.0.0.1:{port}/v1",
        "timeout_s": PATIENCE_S,
        "kind": "battery",
        "min_kw": -RATED_KW,
        "max_kw": RATED_KW,
        "capacity_kwh": CAPACITY_KWH,
        "reserve_percent": RESERVE_PERCENT,
        "plan_kw": 0.0,
        "points": points(),
    }
    return found | changes


def points(**changes: object) -> dict[str, object]:
    """Its points; None leaves one out."""
    flag = {"on": True, "off": False}
    found: dict[str, object] = {
        "power": {"at": STATE, "path": "battery.power", "unit": "W"},
        "import_energy": {"at": STATE, "path": "meters.0.import"},
        "export_energy": {"at": STATE, "path": "meters.0.export"},
        "soc": {"at": STATE, "path": "battery.soc", "unit": "fraction"},
        "local": {"at": STATE, "path": "battery.mode", "on": "local", "off": "auto"},
        "min_power": {"at": STATE, "path": "battery.limits.discharge", "unit": "W", "sign": "generation"},
        "max_power": {"at": STATE, "path": "battery.limits.charge", "unit": "W"},
        "setpoint": {"at": CONTROL, "path": "power.target", "unit": "W", "step": 100},
        "lease": {"at": CONTROL, "path": "power.for", "step": 1},
        "enable": {"at": CONTROL, "path": "remote"} | flag,
        "enable_state": {"at": STATE, "path": "control.remote"} | flag,
    }
    return {name: point for name, point in (found | changes).items() if point is not None}


def driver(clock: Clock, port: int, **changes: object) -> MappedHttp:
    made = build("mapped-http", DEVICE, settings(port, **changes), clock)
    assert isinstance(made, MappedHttp)
    return made


class Bay:
    """A battery behind an EMS, its driver, and the clock that both live by."""

    def __init__(self, ems: Ems, driver: MappedHttp, clock: VirtualClock) -> None:
        self.ems = ems
        self.plant = ems.plant
        self.driver = driver
        self.clock = clock

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(self.clock.now() + timedelta(seconds=seconds))

    def told(self) -> list[str]:
        """What the EMS was told, as JSON."""
        return [json.dumps(body) for _, _, body in self.ems.heard]


@asynccontextmanager
async def bay(token: str = "", /, **changes: object) -> AsyncIterator[Bay]:
    """A driver at its EMS."""
    clock = VirtualClock()
    async with Ems(Plant(clock), token=token) as ems, driver(clock, ems.port, **changes) as made:
        yield Bay(ems, made, clock)
