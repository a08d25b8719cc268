"""Repairs of units (members of emix:itemBase). What a number means stays as it was, or the unit is left to be refused.

Each function changes the draft of a unit, and yields what it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

import msgspec

from openadr_ra.protocol.model import SCALES, CustomUnit, GreenButtonUnit, ItemBase, Unit
from openadr_ra.wire.draft import SPACE, Draft, child, insert
from openadr_ra.wire.names import clark
from openadr_ra.wire.plan import plan, slots
from openadr_ra.wire.repairs_values import shown


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """What the schema has for a unit: where its words stand, and which they are, the usual one first."""

    description_tag: str
    units_tag: str
    descriptions: tuple[str, ...]
    units: tuple[str, ...]


_SI = frozenset({"V", "Wh", "VAh", "VARh", "W", "VA", "VAR", "A", "Hz", "thm"})
_ALSO = {"W": ("J/s",)}
_MONEY = ("currency", "currencyPerKW", "currencyPerKWh")
_PREFIXES = frozenset(code for code in SCALES if len(code) == 1)

_SCALE = clark("scale:siScaleCode")
_ATTRIBUTES = clark("power:powerAttributes")


def _words(unit: type[Unit]) -> _Words:
    by_field = {slot.field: slot for slot in slots(plan(unit).items)}
    described, measured = by_field["description"], by_field["units"]
    description, word = str(described.default), str(measured.default)
    return _Words(
        description_tag=clark(described.members[0].steps[0]),
        units_tag=clark(measured.members[0].steps[0]),
        descriptions=(description, *_MONEY) if description in _MONEY else (description,),
        units=(word, *_ALSO.get(word, ())) if word in _SI else (),
    )


WORDS: Mapping[str, _Words] = {
    clark(unit.xml): _words(unit) for unit in get_args(ItemBase) if unit not in (CustomUnit, GreenButtonUnit)
}
"""By the element of the unit; those that describe themselves have no fixed words."""


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text)).casefold()


_DESCRIBED = {_letters(word): tag for tag, words in WORDS.items() for word in words.descriptions}


def description(unit: Draft) -> Iterator[str]:
    """The schema fixes the text; the element and its units say what is measured. One that names another unit stays wrong."""
    words = WORDS[unit.tag]
    said = child(unit, words.description_tag)
    if said is None:
        insert(unit, words.description_tag, words.descriptions[0])
        yield f"{words.descriptions[0]} was missing"
        return
    if _is_right(said.text, words.descriptions):
        return
    letters = _letters(said.text)
    if _DESCRIBED.get(letters, unit.tag) == unit.tag or letters in map(_letters, words.descriptions):
        yield f"{shown(said.text) or 'nothing'} read as {words.descriptions[0]}"
        said.text = words.descriptions[0]


def _is_right(text: str, descriptions: tuple[str, ...]) -> bool:
    """Words of a list may have space round them; a fixed text may not, but may be left out."""
    if len(descriptions) > 1:
        return text.strip(SPACE) in descriptions
    return text in ("", *descriptions)


def prefixed_units(unit: Draft) -> Iterator[str]:
    """`kWh` is `Wh` with the scale k, unless there is a scale already: `kWh` times k may be meant, or the same said twice.

    `K` is k. Otherwise letters must be right where that decides: `mw` may be anything.
    """
    words = WORDS[unit.tag]
    said = child(unit, words.units_tag)
    text = said.text.strip(SPACE) if said is not None else ""
    if said is None or not text or text in words.units:
        return
    word = next((word for word in words.units if text.casefold().endswith(word.casefold())), None)
    if word is None:
        return
    prefix = text[: -len(word)]
    scale = "k" if prefix == "K" else prefix
    if not scale:
        yield f"{shown(text)} read as {word}"
        said.text = word
    elif scale in _PREFIXES and (scale == "k" or text.endswith(word)) and _is_without_scale(unit):
        yield f"{shown(text)} read as {word} with the scale {scale}"
        said.text = word
        (child(unit, _SCALE) or insert(unit, _SCALE)).text = scale


def _is_without_scale(unit: Draft) -> bool:
    scale = child(unit, _SCALE)
    return scale is None or scale.text.strip(SPACE) in ("", "none")


def scale_code(unit: Draft) -> Iterator[str]:
    """Without a scale a unit is what it says. `K` is k: there is no other scale of that letter."""
    scale = child(unit, _SCALE) or (insert(unit, _SCALE) if _SCALE in unit.outline.places else None)
    if scale is None:
        return
    said = scale.text.strip(SPACE)
    code = {"": "none", "K": "k"}.get(said, said)
    if code != scale.text:
        yield f"{shown(said) or 'no scale'} read as {code}"
        scale.text = code


def power_attributes(unit: Draft) -> Iterator[str]:
    """The supply that a power is measured at changes none of its values; zeros say that it is not known."""
    if _ATTRIBUTES in unit.outline.places and child(unit, _ATTRIBUTES) is None:
        attributes = insert(unit, _ATTRIBUTES)
        insert(attributes, clark("power:hertz"), "0")
        insert(attributes, clark("power:voltage"), "0")
        insert(attributes, clark("power:ac"), "true")
        yield "power:powerAttributes were missing; 0 Hz and 0 V stand for not known"
