"""Which tests say that they prove a rule of `conformance.rules`, and at which end. A test says in its name
what it proves and at which end it proves it: after `test_` come the rules, then the end, then the sentence.

    test_rule_58_at_the_ven_a_lower_modification_is_answered_450
    test_rules_16_17_at_the_vtn_both_opts_are_understood
    test_x_ev_6_at_the_vtn_a_signalid_is_used_once
    test_rule_1_x_ev_5_at_both_ends_…

At both ends is what both do in the course of the test, and what is one code for both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from conformance.rules import BOTH, RULES, VEN, VTN, End


class Claim(NamedTuple):
    """What the name of a test says that it proves."""

    test: str
    rule: str
    end: End


_ENDS: Final[dict[str, tuple[End, ...]]] = {"the_vtn": VTN, "the_ven": VEN, "both_ends": BOTH}
_CITES = re.compile(r"test_(?:rules?_\d|x_[a-z]+_\d)")
_CITATION = re.compile(r"test((?:_rules?(?:_\d+)+|_x_[a-z]+(?:_\d+)+)+)_at_(the_vtn|the_ven|both_ends)_[a-z]")
_GROUP = re.compile(r"_(rules?|x_[a-z]+)((?:_\d+)+)")


def claims(source: str) -> Iterator[Claim]:
    """What the tests of a module say that they prove."""
    for name in _tests(source):
        cited = _CITATION.match(name)
        if cited is None:
            continue
        for rule in _cited(cited[1]):
            for end in _ENDS[cited[2]]:
                yield Claim(name, rule, end)


def unclear(source: str) -> list[str]:
    """The tests of a module whose names cite a rule and do not say, after it, at which end."""
    return [name for name in _tests(source) if _CITES.match(name) and not _CITATION.match(name)]


def _tests(source: str) -> Iterator[str]:
    """The test functions that are run: one that is skipped, or expected to fail, proves nothing."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not any(re.search(r"\b(skip|skipif|xfail)\b", ast.unparse(mark)) for mark in node.decorator_list):
            yield node.name


def _cited(text: str) -> Iterator[str]:
    """`_rules_16_17` is 16 and 17, `_x_opt_1_2` is X-OPT-1 and X-OPT-2."""
    for kind, numbers in _GROUP.findall(text):
        prefix = "" if kind.startswith("rule") else kind.upper().replace("_", "-") + "-"
        yield from (prefix + number for number in numbers.split("_")[1:])


def unproved(found: Iterable[Claim]) -> list[str]:
    """Each rule at each end it binds that no test is about."""
    proved = {(claim.rule, claim.end) for claim in found}
    return [
        f"rule {name} at the {end.upper()}: {rule.text}"
        for name, rule in RULES.items()
        for end in rule.ends
        if (name, end) not in proved
    ]


def unknown(found: Iterable[Claim]) -> list[str]:
    """Each test that is about a rule which the table does not have."""
    return [f"{claim.test} is about {claim.rule}" for claim in found if claim.rule not in RULES]
