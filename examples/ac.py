"""An aggregation coordinator: instruct, see who takes part, follow the response. Arguments: settings, venID, seconds."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from openadr_ra import Vtn, dispatch


async def main(settings: str, ven: str, interval_s: int = 1800) -> None:
    every = timedelta(seconds=interval_s)
    async with Vtn.from_toml(settings).running() as vtn:
        while ven not in {known.ven_id for known in await vtn.vens()}:
            await vtn.changed(within=timedelta(minutes=1))
        order = dispatch(start=datetime.now(UTC) + every, every=every, delta_kw=(-3, -5), to=(ven,))
        event = await vtn.publish(order)
        print("answered:", await vtn.opts(event, within=timedelta(minutes=1)))
        async for row in vtn.response(event):
            print(f"{row.start:%H:%M:%S} {row.ven}/{row.resource}: {row.delivered_kw:.2f} of {row.asked_kw:.2f} kW")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4])))
