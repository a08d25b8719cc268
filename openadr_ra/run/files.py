"""How many files a process may have open: each connection of a VEN is one."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

FILES_A_VEN = 2
"""A VEN of ours whose poll is held reports over a connection beside it."""

SPARE_FILES = 100
"""Of the store, of the log, of connections to push VENs, and of VENs that come back before their old connection is gone."""


def raise_limit() -> None:
    """The soft limit becomes as high as the hard one. For programs of our own: whoever embeds us may use `select`."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:
        # Some systems say "unlimited" and grant less.
        log.info("= open files stay limited to %d: %s", soft, error)


def warn_of_limit(vens: int) -> None:
    """One log line with the cure if as many VENs cannot all be connected."""
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_A_VEN * vens + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        log.warning(
            "! %d files may be open, and %d VENs need %d: raise it by `ulimit -n %d`, or LimitNOFILE=%d in systemd",
            soft,
            vens,
            needed,
            needed,
            needed,
        )
