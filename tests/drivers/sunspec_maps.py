"""Register maps of SunSpec devices, as a test builds them: an older one (103, 120 to 124), a newer one (701 to 704, 713),
and one with a battery bank (802)."""

from __future__ import annotations

from collections.abc import Mapping

from openadr_ra.drivers.sunspec.models import Point, points

SIGNED = ("int16", "int32", "int64", "sunssf")

Values = Mapping[int, str]
"""What the points of each model hold, as "name=value name=value", without scale; all others are not implemented."""

_COMMON = "Mn=Acme Md=Model-A Vr=1.0 SN=SN-1 DA=1"

OLDER: Values = {
    1: _COMMON,
    103: "W=0 W_SF=0 WH=1 WH_SF=0 St=4 Evt1=0",
    120: "DERTyp=4 WRtg=50 WRtg_SF=2 WHRtg=1000 WHRtg_SF=1 "
    "MaxChaRte=4000 MaxChaRte_SF=0 MaxDisChaRte=5000 MaxDisChaRte_SF=0",
    121: "WMax=5000 WMax_SF=0 WGra=20 WGra_SF=0",
    122: "",
    123: "Conn=1 WMaxLimPct=1000 WMaxLimPct_SF=-1 WMaxLim_Ena=0 WMaxLimPct_RvrtTms=0",
}

OLDER_STORAGE: Values = {
    **OLDER,
    124: "WChaMax=4000 WChaMax_SF=0 WChaGra=20 WDisChaGra=20 WChaDisChaGra_SF=0 StorCtl_Mod=0 ChaSt=6 ChaGriSet=1 "
    "MinRsvPct=10 MinRsvPct_SF=0 ChaState=500 ChaState_SF=-1 "
    "OutWRte=10000 InWRte=10000 InOutWRte_SF=-2 InOutWRte_RvrtTms=0",
}

NEWER: Values = {
    1: _COMMON,
    701: "ACType=2 St=1 InvSt=3 ConnSt=1 Alrm=0 W=0 W_SF=0 TotWhInj=0 TotWhAbs=0 TotWh_SF=0",
    702: "WMaxRtg=500 WChaRteMaxRtg=400 WDisChaRteMaxRtg=500 W_SF=1 CtrlModes=3 "
    "WMax=500 WChaRteMax=400 WDisChaRteMax=500",
    703: "ES=1",
    704: "WMaxLimPctEna=0 WMaxLimPct=1000 WMaxLimPctRvrt=1000 WMaxLimPct_SF=-1 WMaxLimPctEnaRvrt=0 "
    "WMaxLimPctRvrtTms=0 WMaxLimPctRvrtRem=0 WSetEna=0 WSetMod=1 WSet=0 WSetRvrt=0 WSet_SF=0 WSetEnaRvrt=0 "
    "WSetRvrtTms=0 WSetRvrtRem=0 WRmp=20",
}

NEWER_STORAGE: Values = {**NEWER, 713: "WHRtg=1000 WHAvail=500 WH_SF=1 SoC=500 SoH=1000 Pct_SF=-1 Sta=0"}

BATTERY_BANK: Values = {
    802: "WHRtg=10000 WHRtg_SF=0 WChaRteMax=4000 WDisChaRteMax=5000 WChaDisChaMax_SF=0 SoCMax=950 SoCMin=50 "
    "SoCRsvMin=200 SoC=500 SoC_SF=-1 ChaSt=6 LocRemCtl=0 Hb=0 CtrlHb=0 State=3 W=0 W_SF=0",
}

BANKED: Values = {**NEWER_STORAGE, **BATTERY_BANK}

BATTERIES = {"older": OLDER_STORAGE, "newer": NEWER_STORAGE, "newer with 802": BANKED}
PLANTS = {"older": OLDER, "newer": NEWER}


class Registers:
    """A register map: 'SunS', the models one after another, the end."""

    def __init__(self, values: Values, base: int) -> None:
        self.base = base
        self.words = [0x5375, 0x6E53]
        self._at: dict[int, int] = {}
        for model, text in values.items():
            self._at[model] = len(self.words)
            known = dict(pair.split("=") for pair in text.split())
            size = sum(point.size for point in points(model).values())
            self.words += [0] * size
            for name, point in points(model).items():
                value = known.get(name)
                self.put(model, name, int(value) if value is not None and point.kind != "string" else value)
            self.put(model, "ID", model)
            self.put(model, "L", size - 2)
        self.words += [0xFFFF, 0]

    def has(self, model: int, name: str = "ID") -> bool:
        return model in self._at and self.get(model, name) is not None

    def address(self, model: int, name: str) -> int:
        return self.base + self._at[model] + points(model)[name].offset

    def model_at(self, address: int) -> int:
        """Whose register it is; 0: the marker's."""
        return max((at, model) for model, at in {0: 0, **self._at}.items() if at <= address - self.base)[1]

    def put(self, model: int, name: str, value: int | str | None) -> None:
        """`value` as the register has it; None: not implemented."""
        point = points(model)[name]
        place = self._at[model] + point.offset
        for number, word in enumerate(_words(point, value)):
            self.words[place + number] = word

    def get(self, model: int, name: str) -> int | None:
        point = points(model)[name]
        place = self._at[model] + point.offset
        words = tuple(self.words[place : place + point.size])
        if words == _words(point, None):
            return None
        packed = b"".join(word.to_bytes(2, "big") for word in words)
        return int.from_bytes(packed, "big", signed=point.kind in SIGNED)

    def value(self, model: int, name: str) -> float:
        """With its scale; 0 for what is not there."""
        scale = points(model)[name].scale
        power = self.get(model, scale) if isinstance(scale, str) else scale
        return (self.get(model, name) or 0) * 10.0 ** (power or 0)

    def set(self, model: int, name: str, value: float) -> None:
        """With its scale, where the device has the point."""
        if not self.has(model):
            return
        scale = points(model)[name].scale
        power = self.get(model, scale) if isinstance(scale, str) else scale
        self.put(model, name, round(value / 10.0 ** (power or 0)))


def _words(point: Point, value: int | str | None) -> tuple[int, ...]:
    packed = _packed(point, value, 2 * point.size)
    return tuple(int.from_bytes(packed[place : place + 2], "big") for place in range(0, len(packed), 2))


def _packed(point: Point, value: int | str | None, size: int) -> bytes:
    match value:
        case str(text):
            return text.encode().ljust(size, b"\0")
        case int(number):
            return number.to_bytes(size, "big", signed=point.kind in SIGNED)
        case None if point.kind in SIGNED:
            return b"\x80".ljust(size, b"\0")
        case None if point.kind.startswith(("acc", "string")):
            return bytes(size)
        case None:
            return b"\xff" * size
