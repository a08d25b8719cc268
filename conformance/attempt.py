"""One case against one subject: whatever happens becomes a result."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable
from pathlib import Path

from conformance.case import Case, Failed, NeedsOperator, NotSupported, Verdict
from conformance.operator import Refused
from conformance.record import Record
from conformance.tested import Ven, Vtn
from conformance.verdict import Result, evidence, result

Opened = contextlib.AbstractAsyncContextManager[Vtn | Ven]

STUMBLED = "a subject that can be tested"
"""What a case expects that fell over the subject, rather than over what it was about."""


async def attempt(case: Case, opened: Callable[[Record], Opened], record: Record, *, slower: float = 1.0) -> Result:
    """Run the case in its time, `slower` times it, against the subject that `opened` gives."""
    unkept: Verdict = "fail" if case.level == "MUST" else "non-strict"
    try:
        async with opened(record) as subject, asyncio.timeout(case.within_s * slower):
            await case.run(subject)
    except Failed as failed:
        return result(
            case,
            unkept,
            expected=failed.expected,
            actual=failed.actual,
            evidence=evidence(failed.message, failed.path),
        )
    except NotSupported as missing:
        return result(case, "not implemented", why=str(missing))
    except NeedsOperator as wanted:
        return result(case, "needs operator", why=str(wanted))
    except Refused as refused:
        return result(case, unkept, expected="a VTN that takes what its operator wants", actual=str(refused))
    except TimeoutError:
        limit = case.within_s * slower
        return result(case, "fail", expected=f"an end within {limit:g} s", actual="the case's time was over")
    except Exception as error:
        # The top of the run: whatever a subject makes a case stumble over, the next case has its turn.
        where = traceback.extract_tb(error.__traceback__)[-1]
        return result(
            case,
            "fail",
            expected=STUMBLED,
            actual=f"{type(error).__name__}: {error}",
            why=f"the case stumbled in {Path(where.filename).name}, line {where.lineno}",
        )
    return result(case, "pass")
