"""An integrator's aggregation coordinator: instruct, see who takes part, follow the response."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from openadr_ra import Vtn, dispatch


async def main(settings: str, ven: str, interval_s: int = 1800) -> None:
    async with Vtn.from_toml(settings).running() as vtn:
        event = await vtn.publish(
            dispatch(
                start=datetime.now(UTC) + timedelta(seconds=15),
                every=timedelta(seconds=interval_s),
                delta_kw=(-3, -5),
                to=(ven,),
            )
        )
        print("answered:", await vtn.opts(event, within=timedelta(minutes=1)))
        async for row in vtn.response(event):
            print(f"{row.start:%H:%M:%S} {row.resource}: {row.delivered_kw:.2f} of {row.asked_kw:.2f} kW")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:4])))
