"""An openleadr VEN as a subject: one meter, opts in to everything.

python -m conformance.subjects.openleadr_ven VTN_URL CERTIFICATES
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from openleadr import OpenADRClient


async def main(url: str, certificates: str) -> None:
    client = OpenADRClient(
        ven_name="ven",
        vtn_url=f"{url}/OpenADR2/Simple/2.0b",
        cert=f"{certificates}/ven.pem",
        key=f"{certificates}/ven.key",
        ca_file=f"{certificates}/ca.pem",
        disable_signature=True,
        show_fingerprint=False,
    )

    async def event(said: dict[str, object]) -> str:
        return "optIn"

    async def power_w() -> float:
        return 1.0

    client.add_handler("on_event", event)
    client.add_handler("on_update_event", event)
    client.add_report(
        callback=power_w,
        resource_id="site-1",
        measurement="REAL_POWER",
        sampling_rate=timedelta(seconds=1),
        report_duration=timedelta(hours=1),
    )
    await client.run()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
