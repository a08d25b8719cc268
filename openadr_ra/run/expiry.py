"""A certificate that runs out stops an aggregator; somebody should hear of it a month before."""

from __future__ import annotations

import logging
from datetime import timedelta

from openadr_ra.net.tls import Contexts
from openadr_ra.seams import Clock

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


async def warn_of_expiry(contexts: Contexts | None, clock: Clock) -> None:
    """One log line a day for each certificate of ours that ends within 30 days."""
    while contexts is not None:
        for certificate in contexts.certificates:
            warning = certificate.expiry_warning(clock.now())
            if warning is not None:
                log.warning("! %s", warning)
        await clock.sleep_until(clock.now() + EVERY)
