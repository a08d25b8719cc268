"""Words for errors that no peer on this machine can be made to cause."""

from __future__ import annotations

import errno
import os
import ssl

import pytest

from openadr_ra.net.faults import handshake_fault, link_fault


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ECONNREFUSED, "nothing listens on vtn port 8443"),
        (errno.EHOSTUNREACH, "vtn cannot be reached; check the address, the network and the firewalls"),
        (errno.ENETUNREACH, "vtn cannot be reached"),
        (errno.EPIPE, "vtn:8443 closed the connection without an answer"),
        (errno.EMFILE, "the connection to vtn:8443 failed: [Errno 24] Too many open files"),
    ],
)
def test_what_the_system_says_of_a_connection_becomes_a_cause(number: int, cause: str) -> None:
    assert cause in link_fault(OSError(number, os.strerror(number)), "vtn", 8443)


def test_the_system_s_word_is_found_beneath_wrappers() -> None:
    """aiohttp wraps what it is told, sometimes twice."""
    outer = RuntimeError("wrapped twice")
    outer.__cause__ = RuntimeError("wrapped")
    outer.__cause__.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    assert "nothing listens" in link_fault(outer, "vtn", 8443)


def test_what_openssl_says_and_we_do_not_know_is_passed_on() -> None:
    error = ssl.SSLError(1, "[SSL: STRANGE_THING] strange thing (_ssl.c:1)")

    assert link_fault(error, "vtn", 8443).startswith("TLS with vtn:8443 failed: ")
    assert "strange thing" in link_fault(error, "vtn", 8443)
    assert "strange thing" in handshake_fault(error)
