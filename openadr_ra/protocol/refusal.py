"""The natural reply to each request, when the answer is no: errors travel in the reply's eiResponse (reference 1.5, 1.6)."""

from __future__ import annotations

from openadr_ra.errors import OK, OadrError, WireError
from openadr_ra.protocol.messages import (
    PROFILES,
    CanceledOpt,
    CanceledPartyRegistration,
    CanceledReport,
    CancelOpt,
    CancelPartyRegistration,
    CancelReport,
    CreatedOpt,
    CreatedPartyRegistration,
    CreatedReport,
    CreateOpt,
    CreatePartyRegistration,
    CreateReport,
    DistributeEvent,
    Message,
    QueryRegistration,
    RegisteredReport,
    RegisterReport,
    RequestEvent,
    Response,
    UpdatedReport,
    UpdateReport,
)
from openadr_ra.protocol.model import RequestId, VenId, VtnId
from openadr_ra.protocol.parts import Result


def refusal(message: Message, error: OadrError, *, ven_id: VenId | None, vtn_id: VtnId) -> Message:
    """The reply that `message` calls for, with the error's code; oadrResponse where there is no natural one.

    A refused oadrRequestEvent is answered by an empty oadrDistributeEvent: EPRI's VEN does not survive anything else.
    """
    request_id = requested(message)
    result = Result(code=error.code, description=str(error)[:250], request_id=request_id)
    match message:
        case RequestEvent():
            return DistributeEvent(result=result, request_id=request_id, vtn_id=vtn_id)
        case QueryRegistration() | CreatePartyRegistration():
            return CreatedPartyRegistration(result=result, vtn_id=vtn_id, profiles=PROFILES)
        case CancelPartyRegistration():
            return CanceledPartyRegistration(result=result, registration_id=message.registration_id, ven_id=ven_id)
        case RegisterReport():
            return RegisteredReport(result=result, ven_id=ven_id)
        case CreateReport():
            return CreatedReport(result=result, ven_id=ven_id)
        case UpdateReport():
            return UpdatedReport(result=result, ven_id=ven_id)
        case CancelReport():
            return CanceledReport(result=result, ven_id=ven_id)
        case CreateOpt():
            return CreatedOpt(result=result, opt_id=message.opt_id)
        case CancelOpt():
            return CanceledOpt(result=result, opt_id=message.opt_id)
    return Response(result=result, ven_id=ven_id)


def blank(error: OadrError) -> Response:
    """The reply to something that was not opened, so that there is no requestID to quote."""
    return Response(result=Result(code=error.code, description=str(error)[:250]))


def unreadable(error: WireError) -> Response:
    """What goes with an HTTP error, for some peers read it: the code, the element that is wrong, and no more."""
    named = f": see {error.element}" if error.element else ""
    return Response(result=Result(code=error.code, description=f"not an acceptable OpenADR 2.0b message{named}"))


def refused_with(reply: Message) -> Result | None:
    """What a reply says where the answer is no; None where it is yes, or where a payload says neither."""
    result = getattr(reply, "result", None)
    return result if isinstance(result, Result) and result.code != OK else None


def requested(message: Message) -> RequestId:
    """The requestID that a reply to `message` quotes: its own, else that of what it answers; empty if it has none (1.4)."""
    result = getattr(message, "result", None)
    own = getattr(message, "request_id", result.request_id if isinstance(result, Result) else None)
    return RequestId(own) if isinstance(own, str) else RequestId("")
