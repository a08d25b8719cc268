"""Every error of the package. Each class of `OadrError` carries the eiResponse code it becomes on the wire."""

from __future__ import annotations

from typing import ClassVar, NewType

ResponseCode = NewType("ResponseCode", str)

OK = ResponseCode("200")


class OadrRaError(Exception):
    """Root of all errors raised on purpose; `str(error)` is one line that names the thing and the cure."""


class SettingsError(OadrRaError):
    """A setting, a file or an argument of the user's is wrong."""


class StoreError(OadrRaError):
    """What had to be stored could not be stored; nothing of it was acknowledged."""


class TransportError(OadrRaError):
    """A post did not reach the peer, or the peer refused it below OpenADR.

    `status` is the HTTP status where there was one; `retry` says whether trying again can help (OpenADR 2.0b, 9.1.7);
    `body` holds the first bytes of what the peer said.
    """

    def __init__(self, message: str, *, status: int | None = None, retry: bool = True, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.retry = retry
        self.body = body


class WireError(OadrRaError):
    """Bytes that are no acceptable OpenADR message: refused before anything was decoded.

    `status` is the HTTP status of the refusal, `code` the response code a tolerant peer may want to see with it, `element`
    the one of its own that is wrong, like `ei:venID`, as far as the peer may be told.
    """

    def __init__(self, message: str, *, code: ResponseCode, status: int = 400, element: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.element = element


class OadrError(OadrRaError):
    """An application-level error: answered with HTTP 200 and the class's code (rules 33 and 48)."""

    code: ClassVar[ResponseCode] = ResponseCode("400")


class OutOfSequence(OadrError):
    """A modificationNumber below the one already held (rule 58)."""

    code = ResponseCode("450")


class NotAllowed(OadrError):
    """The payload is not permitted in this state or role."""

    code = ResponseCode("451")


class InvalidId(OadrError):
    """The peer named something we do not know."""

    code = ResponseCode("452")


class NotRecognized(OadrError):
    """An unknown payload, or a known one at the wrong service."""

    code = ResponseCode("453")


class InvalidData(OadrError):
    """A value that the schema allows and that makes no sense here."""

    code = ResponseCode("454")


class ComplianceError(OadrError):
    """Contradictory content: durations that do not add up, wrong uids, ids used twice."""

    code = ResponseCode("459")


class SignalNotSupported(OadrError):
    """A signal, type or unit that we cannot follow (rule 109)."""

    code = ResponseCode("460")


class ReportNotSupported(OadrError):
    """A report that we do not offer."""

    code = ResponseCode("461")


class TargetMismatch(OadrError):
    """The event concerns neither this VEN nor anything behind it (rule 22)."""

    code = ResponseCode("462")


class NotRegistered(OadrError):
    """No registration, or a certificate that does not belong to the venID."""

    code = ResponseCode("463")


class DeploymentError(OadrError):
    """The target is ours, but nothing behind it can execute the event."""

    code = ResponseCode("469")
