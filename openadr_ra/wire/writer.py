"""From declared types to functions that write them as XML text.

The functions are generated as Python source, one per type. Each returns what stands behind the name of the value's element,
up to its end tag: the attributes, `>`, the content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from openadr_ra.errors import InvalidData
from openadr_ra.protocol.messages import Message
from openadr_ra.protocol.shape import NAMESPACES, Value
from openadr_ra.protocol.times import write_datetime, write_duration
from openadr_ra.wire.plan import Item, Kind, Member, Slot, Wrapper, plan, structs
from openadr_ra.wire.source import Source
from openadr_ra.wire.values import escape, escape_attribute, write_decimal, write_float, write_opaque

Writer = Callable[[Message], str]
"""From a message to the text of its oadrPayload."""

_DECLARATION = r'<?xml version="1.0" encoding="UTF-8"?>\n'


class Writers(dict[type[Message], Writer]):
    """A writer for each message, compiled when it is first wanted; see `Readers`."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, object] = {
            "escape": escape,
            "escape_attribute": escape_attribute,
            "write_datetime": write_datetime,
            "write_decimal": write_decimal,
            "write_duration": write_duration,
            "write_float": write_float,
            "write_opaque": write_opaque,
            "no_member": _no_member,
            "writers": self,
        }

    def __missing__(self, message: type[Message]) -> Writer:
        for struct in reversed(structs((message,))):
            if f"write_{struct.__name__}" not in self._names:
                self._compile(struct)
        return self[message]

    def _compile(self, struct: type[Value]) -> None:
        self._names[struct.__name__] = struct
        source = Source(f"writer of {struct.__name__}")
        _Function(source, struct).write()
        if issubclass(struct, Message):
            _envelope(source, struct)
        source.run(self._names)


def _no_member(value: object) -> str:
    raise InvalidData(f"a {type(value).__name__} cannot stand here")


def _envelope(source: Source, message: type[Message]) -> None:
    """`write_message_X`: the whole oadrPayload. Every namespace is declared on the root, once."""
    declared = " ".join(f'xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in _prefixes(message))
    name = message.__name__
    with source.inside(f"def write_message_{name}(v):"):
        source.add(
            f"return f'{_DECLARATION}<oadr:oadrPayload {declared}><oadr:oadrSignedObject>"
            f"<{message.xml}{{write_{name}(v)}}</{message.xml}></oadr:oadrSignedObject></oadr:oadrPayload>'"
        )
    source.add(f"writers[{name}] = write_message_{name}")


def _prefixes(message: type[Message]) -> tuple[str, ...]:
    """The prefixes that the writer of `message` may use, in the order of the table."""
    used = {"oadr"}
    for struct in structs((message,)):
        shape = plan(struct)
        used |= {attribute.name.partition(":")[0] for attribute in shape.attributes}
        used |= {name.partition(":")[0] for item in shape.items for name in _written_names(item)}
    return tuple(prefix for prefix in NAMESPACES if prefix in used)


def _written_names(item: Item) -> Iterator[str]:
    match item:
        case Wrapper():
            yield item.name
            for inner in item.items:
                yield from _written_names(inner)
        case Slot():
            for member in item.members:
                # An opaque element brings its own declarations.
                yield from member.steps[:-1] if member.kind is Kind.OPAQUE else member.steps


class _Function:
    """The writer of one type being written. Its parts are pieces of an f-string; what needs a statement is a local."""

    def __init__(self, source: Source, struct: type[Value]) -> None:
        self._source = source
        self._plan = plan(struct)

    def write(self) -> None:
        with self._source.inside(f"def write_{self._plan.struct.__name__}(v):"):
            attributes = "".join(
                f' {attribute.name}="{{escape_attribute(v.{attribute.field})}}"' for attribute in self._plan.attributes
            )
            self._source.add(f"return f'{attributes}>{self._items(self._plan.items)}'")

    def _items(self, items: tuple[Item, ...]) -> str:
        return "".join(self._item(item) for item in items)

    def _item(self, item: Item) -> str:
        match item:
            case Wrapper(optional=True):
                return self._optional_wrapper(item)
            case Wrapper():
                return f"<{item.name}>{self._items(item.items)}</{item.name}>"
            case Slot():
                return self._slot(item, "", "")

    def _optional_wrapper(self, item: Item) -> str:
        """An element that is written only with its one field; the names down to it are written with it."""
        begin, end = "", ""
        while isinstance(item, Wrapper):
            begin, end = f"{begin}<{item.name}>", f"</{item.name}>{end}"
            if len(item.items) != 1:
                raise TypeError(f"{item.name} is optional and holds several fields; declare a type for it")
            item = item.items[0]
        return self._slot(item, begin, end)

    def _slot(self, slot: Slot, begin: str, end: str) -> str:
        value = f"v.{slot.field}"
        if slot.many:
            self._source.add(f"found = {value}")
            self._source.add(f"inside = ''.join([{_choice(slot, 'x')} for x in found]) if found else ''")
            self._source.add(
                f"s_{slot.field} = f'{begin}{{inside}}{end}' if found else ''" if begin else f"s_{slot.field} = inside"
            )
        elif slot.nullable:
            self._source.add(f"x = {value}")
            self._source.add(f"s_{slot.field} = '' if x is None else {_choice(slot, 'x', begin, end)}")
        elif len(slot.members) == 1:
            return begin + _text(slot.members[0], value) + end
        else:
            self._source.add(f"x = {value}")
            self._source.add(f"s_{slot.field} = {_choice(slot, 'x', begin, end)}")
        return f"{{s_{slot.field}}}"


def _choice(slot: Slot, value: str, begin: str = "", end: str = "") -> str:
    """An expression for the text of `value`, whichever member of the choice it is. A plain member takes all that is left."""
    members = sorted(slot.members, key=lambda member: member.struct is None)
    texts = [f"f'{begin}{_text(member, value)}{end}'" for member in members]
    if len(texts) == 1:
        return texts[0]
    tests = [
        f"{text} if type({value}) is {member.struct.__name__} else "
        for member, text in zip(members, texts, strict=True)
        if member.struct is not None
    ]
    return f"({''.join(tests)}{f'no_member({value})' if members[-1].struct else texts[-1]})"


def _text(member: Member, value: str) -> str:
    """A piece of an f-string: the member's elements round `value`."""
    begin = "".join(f"<{step}>" for step in member.steps[:-1])
    end = "".join(f"</{step}>" for step in reversed(member.steps[:-1]))
    name = member.steps[-1]
    match member.kind:
        case Kind.STRUCT if member.struct is not None:
            own = f"<{name}{{write_{member.struct.__name__}({value})}}</{name}>"
        case Kind.EMPTY:
            own = f"<{name}/>"
        case Kind.OPAQUE:
            own = f'{{write_opaque({value}, "{name}")}}'
        case kind:
            own = f"<{name}>{{{_WRITE[kind].format(value)}}}</{name}>"
    return f"{begin}{own}{end}"


_WRITE = {
    Kind.TEXT: "escape({})",
    Kind.TOKEN: "escape({})",
    Kind.INTEGER: "int({})",
    Kind.FLOAT: "write_float({})",
    Kind.DECIMAL: "write_decimal({})",
    Kind.BOOLEAN: '"true" if {} else "false"',
    Kind.DATETIME: "write_datetime({})",
    Kind.DURATION: "write_duration({})",
}
