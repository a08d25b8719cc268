"""EiEvent: for each case of a VTN, what makes it fail."""

from __future__ import annotations

from tests.conformance.vtn_flaw import Table
from tests.conformance.wrongs import Chokes, Takes, code, drop, put, swap

_EVENT = "oadrDistributeEvent"
_SIGNAL = "//ei:eiEventSignal"
_UNTYPED = put(_EVENT, f"{_SIGNAL}/ei:signalType", "multiplier")

ANSWERS: Table = {
    "opt-in": ("ignores answers",),
    "opt-out": ("ignores optOut",),
    "answer-is-a-response": (Chokes(on="oadrCreatedEvent", does="empty"),),
    "late-opt-out": ("first answer counts", "ignores optOut"),
    "late-opt-in": ("first answer counts",),
    "answered-twice": ("answers once",),
    "answers-together": ("answers count for one event only",),
    "answers-apart": ("answers count for one event only",),
    "bad-beside-good": ("one bad spoils all", "refusals opt in"),
    "unknown-beside-good": ("one bad spoils all",),
    "signal-refused": (Chokes(on="<ei:responseCode>460<", does="400"), "refusals opt in"),
    "message-refused": ("refused messages clear", Chokes(on="<ei:responseCode>459<", does="500")),
    "described-answer": (Chokes(on="<ei:responseDescription>", does="400"),),
    "answer-to-a-change": ("first answer counts",),
    "answer-to-nothing": (Takes(kind="oadrCreatedEvent"),),
    "answer-to-the-past": (Takes(kind="oadrCreatedEvent"), "acts on what it refuses"),
    "answer-to-the-future": (Takes(kind="oadrCreatedEvent"), "acts on what it refuses"),
    "answer-under-wrong-request": ("forgets answers to other requests",),
    "answer-in-other-letters": ("case does not matter", code("oadrResponse", "200"), code("oadrResponse", "463")),
    "answer-of-nobody": (Takes(kind="oadrCreatedEvent"),),
    "answer-for-another": (Takes(kind="oadrCreatedEvent"),),
    "request-in-other-letters": ("case does not matter",),
    "request-of-nobody": (Takes(kind="oadrRequestEvent"),),
    "answer-without-opt": (Takes(kind="oadrCreatedEvent"),),
    "wrong-service": (Takes(kind="oadrCreatedEvent"),),
    **{
        f"not-for-a-vtn-{kind.removeprefix('oadr').lower()}": (Takes(kind=kind),)
        for kind in (
            "oadrDistributeEvent",
            "oadrCreatedOpt",
            "oadrCreatedPartyRegistration",
            "oadrRequestReregistration",
        )
    },
}

CHANGES: Table = {
    "start-moved": ("keeps the number", "counts by two", "no change", "changes are not told"),
    "duration-changed": ("keeps the number", "no change", "sum too short"),
    "value-changed": ("keeps the number", "no change"),
    "target-changed": ("keeps the number", "no change"),
    "priority-changed": ("keeps the number", "no change"),
    "changed-twice": ("counts by two", "counts once"),
    "change-replaces": ("keeps both",),
    "change-tells-all": ("only what changed",),
    "new-tells-all": ("only what changed",),
    "cancelled": ("keeps the number", "never sends the cancelled", put(_EVENT, "//ei:eventStatus", "far")),
    "cancelled-is-calm": ("current always",),
    "cancelled-until-acknowledged": ("cancelled once",),
    "cancelled-acknowledged": (Chokes(on="<ei:modificationNumber>1<", does="400"),),
    "cancelled-then-gone": ("acknowledgements do not count",),
    "cancelled-refused": (Chokes(on="<ei:modificationNumber>1<.*optOut", does="400"),),
    "cancelled-spares-others": ("only what changed",),
    "cancelled-unseen": (put(_EVENT, "//ei:eventStatus[.='cancelled']", "far"),),
    "overlap-refused": ("overlaps",),
    "overlap-by-change-refused": ("overlaps",),
    "overlap-between-contexts": ("never overlaps",),
}

CONTENT: Table = {
    "none": (put(_EVENT, "//ei:responseCode", "404"), Chokes(on="oadrRequestEvent", does="empty")),
    "request-is-echoed": (
        put(_EVENT, "//ei:eiResponse/pyld:requestID", "another"),
        put(_EVENT, "//ei:eiResponse/pyld:requestID", "", where="./ei:eiResponse"),
    ),
    "polled-has-response": (drop(_EVENT, "//ei:eiResponse"),),
    "request-id": (drop(_EVENT, "//oadr:oadrDistributeEvent/pyld:requestID"),),
    "vtn-id": (put(_EVENT, "//ei:vtnID", "Another-VTN"), put(_EVENT, "//ei:vtnID", "TINY-VTN")),
    "new-is-number-0": ("starts at one",),
    "new-is-told": ("nothing is delivered", put(_EVENT, "//ei:eiActivePeriod/xcal:properties/xcal:duration/*", "PT9M")),
    "request-and-poll-agree": (
        put(_EVENT, "//ei:modificationNumber", "5", where="./pyld:requestID[starts-with(., 'request')]"),
        drop(_EVENT, "//oadr:oadrEvent", where="./pyld:requestID[starts-with(., 'request')]"),
    ),
    "uids": ("uids from one", put(_EVENT, f"{_SIGNAL}//xcal:text", "0")),
    "durations-add-up": ("sum too short",),
    "values-in-order": ("same values", "values backwards"),
    "one-value-each": (
        swap(
            _EVENT,
            "</ei:signalPayload>",
            "</ei:signalPayload><ei:signalPayload><ei:payloadFloat><ei:value>1</ei:value>"
            "</ei:payloadFloat></ei:signalPayload>",
        ),
        drop(_EVENT, "//ei:signalPayload"),
    ),
    "intervals-undated": (
        swap(
            _EVENT,
            "<ei:interval>",
            "<ei:interval><xcal:dtstart><xcal:date-time>2030-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>",
        ),
    ),
    "calm-before-start": ("current always",),
    "one-venid": (
        swap(_EVENT, "</ei:venID></ei:eiTarget>", "</ei:venID><ei:venID>another</ei:venID></ei:eiTarget>"),
        put(_EVENT, "//ei:eiTarget/ei:venID", "another"),
    ),
    "created-now": ("old createdDateTime",),
    "24-intervals": ("twelve intervals at most",),
    "four-events": ("only the newest", "by age", put(_EVENT, "//ei:eventID", "the-event")),
    "resources": (drop(_EVENT, "//ei:eiTarget/ei:resourceID[2]"),),
    "market-context": (put(_EVENT, "//emix:marketContext", "http://elsewhere.invalid/"),),
    "priority": (put(_EVENT, "//ei:priority", "0"), drop(_EVENT, "//ei:priority")),
    "test": (drop(_EVENT, "//ei:testEvent"), put(_EVENT, "//ei:testEvent", "false")),
    "no-test": (swap(_EVENT, "</ei:eventStatus>", "</ei:eventStatus><ei:testEvent>true</ei:testEvent>"),),
    "comment": ("cuts comments",),
    "response-required": (put(_EVENT, "//oadr:oadrResponseRequired", "never"),),
    "response-never": (put(_EVENT, "//oadr:oadrResponseRequired", "always"),),
    "startafter": (drop(_EVENT, "//xcal:tolerance"), put(_EVENT, "//xcal:startafter", "PT1S")),
    "ramp-up": (drop(_EVENT, "//ei:x-eiRampUp"),),
    "notification": (drop(_EVENT, "//ei:x-eiNotification"),),
}

_SIGNALS = (
    ("simple", "level", ""),
    ("electricity_price", "price", "currencyPerKWh"),
    ("load_dispatch", "setpoint", "powerReal"),
    ("electricity_price", "pricerelative", "currencyPerKWh"),
    ("electricity_price", "pricemultiplier", ""),
    ("energy_price", "price", "currencyPerKWh"),
    ("energy_price", "pricerelative", "currencyPerKWh"),
    ("energy_price", "pricemultiplier", ""),
    ("demand_charge", "price", "currencyPerKW"),
    ("demand_charge", "pricerelative", "currencyPerKW"),
    ("demand_charge", "pricemultiplier", ""),
    ("bid_price", "price", "currencyPerKWh"),
    ("bid_load", "setpoint", "powerReal"),
    ("bid_energy", "setpoint", "energyReal"),
    ("charge_state", "setpoint", "energyReal"),
    ("charge_state", "delta", "energyReal"),
    ("charge_state", "multiplier", ""),
    ("load_dispatch", "delta", "powerReal"),
    ("load_dispatch", "multiplier", ""),
    ("load_dispatch", "level", ""),
    ("load_control", "x-loadcontrolcapacity", ""),
    ("load_control", "x-loadcontrolleveloffset", ""),
    ("load_control", "x-loadcontrolpercentoffset", ""),
    ("load_control", "x-loadcontrolsetpoint", "temperature"),
)
_NO_UNIT = f"{_SIGNAL}/*[.//scale:siScaleCode]"
_FOREIGN_UNIT = swap(
    _EVENT,
    "</ei:signalID>",
    "</ei:signalID><oadr:Therm><oadr:itemDescription>Therm</oadr:itemDescription><oadr:itemUnits>thm</oadr:itemUnits>"
    "<scale:siScaleCode>none</scale:siScaleCode></oadr:Therm>",
)

SIGNALS: Table = {
    **{
        f"signal-{name}-{kind}": (
            put(_EVENT, f"{_SIGNAL}/ei:signalType", "delta" if kind == "level" else "level"),
            put(_EVENT, f"{_SIGNAL}/ei:signalName", "x-OTHER"),
            put(_EVENT, f"{_SIGNAL}//ei:signalPayload//ei:value", "77"),
            drop(_EVENT, _NO_UNIT) if unit else _FOREIGN_UNIT,
        )
        for name, kind, unit in _SIGNALS
    },
    "simple-has-no-unit": (_FOREIGN_UNIT, _UNTYPED),
    "simple-out-of-range": ("takes any signal",),
    "custom-signal": (put(_EVENT, f"{_SIGNAL}/ei:signalName", "SIMPLE"),),
    "wrong-combination": ("takes any signal",),
    "several-signals": (
        put(_EVENT, f"{_SIGNAL}/ei:signalID", "signal"),
        drop(_EVENT, f"{_SIGNAL}[2]"),
    ),
    "several-signals-add-up": ("sum too short", "uids from one", drop(_EVENT, f"{_SIGNAL}[2]")),
    "baseline-adds-up": (
        put(_EVENT, "//ei:eiEventBaseline/xcal:duration/*", "PT1H"),
        put(_EVENT, "//ei:eiEventBaseline//xcal:text", "1"),
        drop(_EVENT, "//ei:eiEventBaseline"),
    ),
    "baseline-undated": (
        swap(
            _EVENT,
            "<ei:interval>",
            "<ei:interval><xcal:dtstart><xcal:date-time>2030-01-01T00:00:00Z</xcal:date-time></xcal:dtstart>",
        ),
    ),
    "device-class": (
        drop(_EVENT, f"{_SIGNAL}/ei:eiTarget"),
        swap(
            _EVENT,
            "</power:endDeviceAsset></ei:eiTarget>",
            "</power:endDeviceAsset><ei:groupID>g</ei:groupID></ei:eiTarget>",
        ),
    ),
    "device-class-unknown": ("takes any signal",),
    "open-ended": (put(_EVENT, "//ei:eiActivePeriod/xcal:properties/xcal:duration/*", "PT1H"), "open ends in a day"),
}

TIMES: Table = {
    "status-far": (put(_EVENT, "//ei:eventStatus", "active"), put(_EVENT, "//ei:eventStatus", "near")),
    "status-near": ("no near",),
    "status-active": ("late active", "counts the clock"),
    "status-over": ("never completed",),
    "over-at-last": ("keeps the completed",),
    "listed-through-startafter": ("drops the tail",),
    "active-value": ("current is the last",),
    "value-follows-intervals": ("current is the first",),
    "active-value-dispatch": ("current is the last",),
    "created-anew": (put(_EVENT, "//ei:createdDateTime", "2030-01-01T00:00:00Z"), "createdDateTime of the beginning"),
    "created-within-minutes": ("createdDateTime of the beginning",),
    "cancelled-while-active": ("keeps the number", "active ones go on"),
    "open-ended-stays-active": ("open ends at once",),
    "open-ended-is-cancelled": ("no cancellation of the open",),
    "order-by-start": ("pending by priority", "by age", "backwards"),
    "order-by-priority": ("priority upside down",),
    "order-active-first": ("pending first", "active by start"),
    "order-of-the-cancelled": ("cancelled last",),
    "reply-limit-0": ("ignores the limit",),
    "reply-limit-1": ("ignores the limit", "limit from the front"),
    "reply-limit-2": ("ignores the limit", "limit from the front", "limits to one"),
    "reply-limit-5": ("limits to one", Chokes(on="replyLimit", does="400")),
}

EVENT: Table = {
    f"vtn.event.{name}": flaws for part in (ANSWERS, CHANGES, CONTENT, SIGNALS, TIMES) for name, flaws in part.items()
}
