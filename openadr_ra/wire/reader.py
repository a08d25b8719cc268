"""From declared types to functions that read validated elements.

A validated message is a sentence of a grammar that needs one element of lookahead, so its elements are walked in document
order, as one flat stream, and each is looked at once. A name is compared only where the schema leaves a choice. Behind every
such place the next element is compared too: one that we do not know may end a list or stand where an optional element
could, but it is never read as something else.

The functions are generated as Python source, one per type. In it, `e` is the element last taken from the stream `nxt` and
`t` its name.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from itertools import chain, repeat

from lxml import etree
from lxml.etree import _Element as Element

from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.shape import Value
from openadr_ra.protocol.times import read_datetime, read_duration
from openadr_ra.wire.names import clark
from openadr_ra.wire.plan import Item, Kind, Member, Slot, Wrapper, first_names, open_names, plan, slots, structs
from openadr_ra.wire.source import Source
from openadr_ra.wire.values import not_finite, read_boolean, read_opaque, read_token, unexpected

Stream = Callable[[], Element]
"""The next element in document order; `END`, again and again, after the last."""

Reader = Callable[[Element, Stream], tuple[Message, Element]]
"""From a payload's element, with the stream standing behind it, to the message and the first element that is not its own."""

END = etree.Element("end-of-message")


def stream(element: Element) -> Stream:
    """What is inside `element`."""
    return chain(element.iterdescendants("*"), repeat(END)).__next__


class Readers(dict[str, Reader]):
    """A reader for each of `messages`, by the name of its element, compiled when it is first wanted.

    No end of the wire gets them all, and a gateway has little memory. Threads may want the same one at once.
    """

    def __init__(self, messages: tuple[type[Message], ...]) -> None:
        super().__init__()
        self._messages = {clark(message.xml): message for message in messages}
        self._names: dict[str, object] = {
            "read_boolean": read_boolean,
            "read_datetime": read_datetime,
            "read_duration": read_duration,
            "read_opaque": read_opaque,
            "read_token": read_token,
            "not_finite": not_finite,
            "readers": self,
            "skip": _skip,
            "stream": stream,
            "unexpected": unexpected,
        }

    def __missing__(self, name: str) -> Reader:
        # The message comes last: once it is in the table, all that it calls is there.
        for struct in reversed(structs((self._messages[name],))):
            if f"read_{struct.__name__}" not in self._names:
                self._compile(struct)
        return self[name]

    def _compile(self, struct: type[Value]) -> None:
        self._names[struct.__name__] = struct
        # One at a time: the compiler's peak of memory stays small, and a traceback names the type.
        source = Source(f"reader of {struct.__name__}")
        _Function(source, self._names, struct).write()
        if issubclass(struct, Message):
            source.add(f"readers[{clark(struct.xml)!r}] = read_{struct.__name__}")
        source.run(self._names)


def _skip(element: Element, nxt: Stream) -> None:
    for _ in element.iterdescendants("*"):
        nxt()


class _Next(Enum):
    """Where the stream stands, seen from the line being written."""

    BEHIND = auto()
    """`e` has been read; the next element is still in the stream."""
    KNOWN = auto()
    """`e` is the next element, and only one can stand here."""
    TAKEN = auto()
    """`e` is the next element."""
    NAMED = auto()
    """`e` is the next element and `t` its name."""


class _Function:
    """The reader of one type being written."""

    def __init__(self, source: Source, names: dict[str, object], struct: type[Value]) -> None:
        self._source = source
        self._names = names
        self._plan = plan(struct)
        self._next = _Next.BEHIND

    def write(self) -> None:
        name = self._plan.struct.__name__
        given = []
        with self._source.inside(f"def read_{name}(e, nxt):"):
            for attribute in self._plan.attributes:
                default = self._constant(attribute.field, attribute.default)
                self._source.add(f"v_{attribute.field} = e.get({clark(attribute.name)!r})")
                self._source.add(
                    f"v_{attribute.field} = {default} if v_{attribute.field} is None else read_token(v_{attribute.field})"
                )
                given.append(attribute.field)
            self._items(self._plan.items, ())
            self._take()
            given += [slot.field for slot in slots(self._plan.items) if slot.members[0].kind is not Kind.EMPTY]
            self._source.add(f"return {name}({', '.join(f'{field}=v_{field}' for field in given)}), e")

    def _items(self, items: tuple[Item, ...], after: tuple[Item, ...]) -> None:
        """Read `items`; `after` are those that follow them in this type."""
        for at, item in enumerate(items, start=1):
            rest = items[at:] + after
            match item:
                case Wrapper(optional=True):
                    self._optional_wrapper(item, rest)
                case Wrapper():
                    self._expect(item.name)
                    self._items(item.items, rest)
                case Slot(many=True):
                    self._many(item, rest)
                case Slot(needed=True, members=(only,)):
                    self._expect(only.steps[0])
                    self._value(item, only, f"v_{item.field}", rest)
                case Slot(needed=True):
                    self._needed_choice(item, rest)
                case Slot():
                    self._optional(item, rest)

    def _optional_wrapper(self, wrapper: Wrapper, rest: tuple[Item, ...]) -> None:
        for slot in slots(wrapper.items):
            self._default(slot)
        self._name()
        with self._source.inside(f"if t == {clark(wrapper.name)!r}:"):
            self._next = _Next.BEHIND
            self._items(wrapper.items, rest)
            self._end_branch(rest)
        self._join(rest)

    def _optional(self, slot: Slot, rest: tuple[Item, ...]) -> None:
        self._default(slot)
        self._name()
        for word, member in zip(chain(("if",), repeat("elif")), slot.members, strict=False):
            with self._source.inside(f"{word} t == {clark(member.steps[0])!r}:"):
                self._value(slot, member, f"v_{slot.field}", rest)
                self._end_branch(rest)
        self._join(rest)

    def _needed_choice(self, slot: Slot, rest: tuple[Item, ...]) -> None:
        self._name()
        for word, member in zip(chain(("if",), repeat("elif")), slot.members, strict=False):
            with self._source.inside(f"{word} t == {clark(member.steps[0])!r}:"):
                self._value(slot, member, f"v_{slot.field}", rest)
                self._take()
        with self._source.inside("else:"):
            self._source.add("raise unexpected(e)")
        self._next = _Next.TAKEN

    def _many(self, slot: Slot, rest: tuple[Item, ...]) -> None:
        self._default(slot)
        self._name()
        names = [clark(member.steps[0]) for member in slot.members]
        known = f"t == {names[0]!r}" if len(names) == 1 else f"t in {tuple(names)!r}"
        with self._source.inside(f"if {known}:"):
            self._source.add("found = []")
            with self._source.inside("while True:"):
                for word, name, member in zip(chain(("if",), repeat("elif")), names, slot.members, strict=False):
                    with self._source.inside(f"{word} t == {name!r}:"):
                        self._value(slot, member, "value", (slot, *rest))
                        self._take()
                with self._source.inside("else:"):
                    self._source.add("break")
                self._source.add("found.append(value)")
                self._source.add("t = e.tag")
            self._source.add(f"v_{slot.field} = tuple(found)")
        self._next = _Next.NAMED

    def _value(self, slot: Slot, member: Member, target: str, rest: tuple[Item, ...]) -> None:
        """Read the value whose outermost element is `e`."""
        self._next = _Next.BEHIND
        for _ in member.steps[1:]:
            self._source.add("e = nxt()")
        match member.kind:
            case Kind.STRUCT if member.struct is not None:
                self._struct(member.struct, target, rest)
            case Kind.EMPTY:
                self._source.add("skip(e, nxt)")
            case Kind.OPAQUE:
                self._source.add(f"{target} = read_opaque(e)")
                self._source.add("skip(e, nxt)")
            case Kind.FLOAT | Kind.DECIMAL:
                self._source.add(f"{target} = float(e.text)")
                # Zero for every finite number, NaN, which is true, for the others.
                with self._source.inside(f"if {target} - {target}:"):
                    self._source.add("raise not_finite(e)")
            case Kind.TEXT if isinstance(slot.default, str) and not slot.many:
                self._source.add(f"{target} = e.text or {slot.default!r}")
            case kind:
                self._source.add(f"{target} = {_READ[kind]}")

    def _struct(self, struct: type[Value], target: str, rest: tuple[Item, ...]) -> None:
        open_end = open_names(plan(struct).items)
        if open_end & first_names(rest):
            # What may end it may also follow it: only its own end tag tells. oadrUpdatedReport is such a place.
            self._source.add(f"{target}, _ = read_{struct.__name__}(e, stream(e))")
            self._source.add("skip(e, nxt)")
            return
        self._source.add(f"{target}, e = read_{struct.__name__}(e, nxt)")
        self._next = _Next.TAKEN if open_end else _Next.KNOWN

    def _expect(self, name: str) -> None:
        """Make the next element, which can only be `name`, the one that is read."""
        match self._next:
            case _Next.BEHIND:
                self._source.add("e = nxt()")
            case _Next.TAKEN | _Next.NAMED:
                found = "t" if self._next is _Next.NAMED else "e.tag"
                with self._source.inside(f"if {found} != {clark(name)!r}:"):
                    self._source.add("raise unexpected(e)")
            case _Next.KNOWN:
                pass
        self._next = _Next.BEHIND

    def _take(self) -> None:
        if self._next is _Next.BEHIND:
            self._source.add("e = nxt()")
            self._next = _Next.KNOWN

    def _name(self) -> None:
        self._take()
        if self._next is not _Next.NAMED:
            self._source.add("t = e.tag")
            self._next = _Next.NAMED

    def _end_branch(self, rest: tuple[Item, ...]) -> None:
        self._take()
        if rest:
            self._source.add("t = e.tag")

    def _join(self, rest: tuple[Item, ...]) -> None:
        """Behind a branch that may not have been taken."""
        self._next = _Next.NAMED if rest else _Next.TAKEN

    def _default(self, slot: Slot) -> None:
        if slot.members[0].kind is not Kind.EMPTY:
            self._source.add(f"v_{slot.field} = {self._constant(slot.field, slot.default)}")

    def _constant(self, field: str, value: object) -> str:
        if value is None or value == () or isinstance(value, str | int | float):
            return repr(value)
        name = f"default_{self._plan.struct.__name__}_{field}"
        self._names[name] = value
        return name


_READ = {
    Kind.TEXT: "e.text or ''",
    Kind.TOKEN: "read_token(e.text)",
    Kind.INTEGER: "int(e.text)",
    Kind.BOOLEAN: "read_boolean(e.text)",
    Kind.DATETIME: "read_datetime(e.text)",
    Kind.DURATION: "read_duration(e.text)",
}
