"""`python -m benchmarks.edge_peer URL CERT KEY CA`: openleadr's VEN with one power report, over mutual TLS."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from openleadr import OpenADRClient


async def power_w() -> float:
    """What its battery draws."""
    return 0.0


async def main(url: str, cert: str, key: str, ca: str) -> None:
    # It signs with RSA keys only; ours does not sign either.
    client = OpenADRClient("edge", url, cert=cert, key=key, ca_file=ca, disable_signature=True, show_fingerprint=False)
    client.add_report(
        power_w,
        resource_id="bat-1",
        measurement="power",
        unit="W",
        scale="none",
        sampling_rate=timedelta(seconds=60),
        report_duration=timedelta(hours=1),
    )
    await client.run()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
