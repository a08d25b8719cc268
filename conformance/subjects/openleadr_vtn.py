"""An openleadr VTN as a subject: a process that is told by HTTP what its `add_event` and friends shall do, and the
operator that tells it. Both ends of that conversation are here.

    python -m conformance.subjects.openleadr_vtn PORT CONTROL_PORT CERTIFICATES
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import msgspec
from aiohttp import web

from conformance import http
from conformance.case import NotSupported
from conformance.operator import EventWish, Mute
from conformance.subject import Places

WITHIN_S = 10.0


class Operator(Mute):
    """Creates and cancels events; what openleadr's VTN has no call for is not supported."""

    def __init__(self, at: Places) -> None:
        self._url = at("http://127.0.0.1:{port2}")

    async def create_event(self, wish: EventWish) -> str:
        if len(wish.signals) > 1 or wish.baseline_w or wish.startafter_s or not wish.every_s or wish.test:
            raise NotSupported("add_event has one signal, and neither baseline, startafter, test nor an open end")
        return await self._told("/events", msgspec.json.encode(wish))

    async def cancel_event(self, event_id: str) -> None:
        await self._told(f"/events/{event_id}/cancel", b"")

    async def opt_of(self, event_id: str, ven_id: str) -> str:
        return await self._told(f"/events/{event_id}/opt", b"")

    async def _told(self, path: str, body: bytes) -> str:
        headers = (*http.usual_headers(self._url.removeprefix("http://"), body),)
        sent = http.request_bytes(path, headers, body)
        answer = await http.exchange(self._url, (sent,), tls=None, within_s=WITHIN_S)
        if answer.status != 200:
            raise ValueError(f"{path}: {answer.status} {answer.body[:200].decode(errors='replace')}")
        return answer.body.decode()


class _Process:
    """The VTN and the control behind which the operator finds it."""

    def __init__(self, port: int, certificates: str) -> None:
        from openleadr import OpenADRServer

        self.opts: dict[str, str] = {}
        self.vens: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.server = OpenADRServer(
            vtn_id="OtherVTN",
            http_port=port,
            http_host="127.0.0.1",
            http_cert=f"{certificates}/vtn.pem",
            http_key=f"{certificates}/vtn.key",
            http_ca_file=f"{certificates}/ca.pem",
            requested_poll_freq=timedelta(seconds=1),
            ven_lookup=self._lookup,
            verify_message_signatures=False,
            show_fingerprint=False,
        )
        self.server.add_handler("on_create_party_registration", self._registered)
        self.server.add_handler("on_register_report", self._offered)

    async def _lookup(self, ven_id: str) -> dict[str, str] | None:
        if ven_id not in self.fingerprints:
            return None
        return {
            "ven_id": ven_id,
            "ven_name": ven_id,
            "fingerprint": self.fingerprints[ven_id],
            "registration_id": f"reg-{ven_id}",
        }

    async def _registered(self, said: dict[str, str]) -> tuple[str, str]:
        name = said["ven_name"]
        self.fingerprints[name] = said.get("fingerprint") or ""
        return name, f"reg-{name}"

    async def _offered(
        self,
        ven_id: str,
        resource_id: str,
        measurement: str,
        unit: str | None,
        scale: str | None,
        min_sampling_interval: timedelta,
        max_sampling_interval: timedelta,
    ) -> tuple[object, timedelta]:
        return (lambda values: None), timedelta(seconds=1)

    async def create(self, request: web.Request) -> web.Response:
        wish = msgspec.json.decode(await request.read(), type=EventWish)
        (signal,) = wish.signals
        every = timedelta(seconds=wish.every_s)

        def opted(ven_id: str, event_id: str, opt_type: str) -> None:
            self.opts[event_id] = opt_type

        event_id = self.server.add_event(
            ven_id=wish.ven_id,
            signal_name=signal.name,
            signal_type=signal.type,
            intervals=[
                {"dtstart": wish.start + every * number, "duration": every, "signal_payload": value}
                for number, value in enumerate(signal.values)
            ],
            callback=opted,
            response_required="always" if wish.response_required else "never",
            market_context=wish.market_context or "http://market",
            notification_period=timedelta(seconds=wish.notification_s),
            ramp_up_period=timedelta(seconds=wish.ramp_up_s) if wish.ramp_up_s else None,
        )
        self.vens[event_id] = wish.ven_id
        return web.Response(text=event_id)

    async def cancel(self, request: web.Request) -> web.Response:
        event_id = request.match_info["id"]
        self.server.cancel_event(self.vens[event_id], event_id)
        return web.Response(text="")

    async def opt(self, request: web.Request) -> web.Response:
        return web.Response(text=self.opts.get(request.match_info["id"], ""))

    async def run(self, control: int) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.post("/events", self.create),
                web.post("/events/{id}/cancel", self.cancel),
                web.post("/events/{id}/opt", self.opt),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", control).start()
        await self.server.run()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_Process(int(sys.argv[1]), sys.argv[3]).run(int(sys.argv[2])))
