"""What of a tag's value is wanted where that is not all of it: an element, fields of a structure, the name of a number.

For that the types of the server are asked for, once in a session, and only those of such tags. What cannot be found out
costs the tags that need it, and no others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from gateway.model import Scalar
from gateway.sources.opcua.decode import Raw, content_of, plain, scalar_of
from gateway.sources.opcua.services import Limits, Link, read_raw
from gateway.sources.opcua.structures import FieldLayout, Layout, Layouts, library_class, names_of
from gateway.sources.opcua.tags import Tag
from gateway.sources.opcua.views import parents, translate

MOST_TYPES = 500
"""Types that are asked for in one session."""

_ENUM_STRINGS, _ENUM_VALUES = "EnumStrings", "EnumValues"
_STRUCTURE, _ENUMERATION = ObjectIds.Structure, ObjectIds.Enumeration
_HIGHEST_BUILT_IN = 25
_TEXTS = {ua.VariantType.String, ua.VariantType.LocalizedText}


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the value of a tag is to be read: the element `index`, with the `names` of numbers, by the `layouts` of
    structures. `problem`: why it cannot be."""

    index: str = ""
    names: Mapping[int, str] | None = None
    layouts: Layouts | None = None
    problem: str = ""

    def of(self, value: Scalar | Raw) -> object:
        """What is wanted of `value`. Raises ValueError, with the reason, where there is no such thing."""
        if self.problem:
            raise ValueError(self.problem)
        content = self._inside(value.variant) if isinstance(value, Raw) else value
        if self.names is not None and isinstance(content, int) and not isinstance(content, bool):
            return self.names.get(content, str(content))
        return content

    def _inside(self, variant: ua.Variant) -> object:
        value, kind = variant.Value, variant.VariantType
        if variant.is_array:
            if not self.index:
                return plain(Raw(variant))
            value = _element(variant, self.index)
        if kind != ua.VariantType.ExtensionObject:
            return scalar_of(value, kind)
        if self.layouts is None:
            return plain(content_of(ua.Variant(value, kind)))
        return self.layouts.read(value)


def _element(variant: ua.Variant, index: str) -> object:
    """The one element that is meant. Some servers send the whole array whatever is asked for."""
    elements = list(_flat(variant.Value)) if variant.Value is not None else []
    if len(elements) == 1:
        return elements[0]
    if ":" in index:
        raise ValueError(f"`index` means {len(elements)} elements of an array: name one")
    sizes = [int(size) for size in variant.Dimensions or ()] or [len(elements)]
    place = 0
    for number, size in zip(map(int, index.split(",")), sizes, strict=False):
        place = place * size + number if number < size else len(elements)
    if place >= len(elements) or index.count(",") != len(sizes) - 1:
        raise ValueError(f"the array has no element {index}: its size is {' by '.join(map(str, sizes))}")
    return elements[place]


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


async def meanings_of(link: Link, limits: Limits, tags: Iterable[tuple[Tag, ua.NodeId]]) -> dict[str, Meaning]:
    """The meanings of those `tags` of which not all is wanted, by their addresses. Raises OSError as `Link.request`."""
    types = _Types(link, limits)
    found: dict[str, Meaning] = {}
    for tag, node in tags:
        if not (tag.index or tag.structured or tag.named):
            continue
        try:
            found[tag.address] = await types.meaning(tag, node)
        except (UaError, ValueError) as error:
            found[tag.address] = Meaning(tag.index, problem=f"its type cannot be found out: {error}")
    return found


async def meanings_of_fields(
    link: Link, limits: Limits, fields: Mapping[str, tuple[ua.NodeId, str]]
) -> dict[str, Meaning]:
    """The meanings of fields of events, by name: each is declared by a node, and an element of it may be meant. Raises
    as `meanings_of`."""
    types = _Types(link, limits)
    found: dict[str, Meaning] = {}
    for name, (declaration, index) in fields.items():
        try:
            found[name] = await types.field(declaration, index)
        except (UaError, ValueError) as error:
            found[name] = Meaning(index, problem=f"its type cannot be found out: {error}")
    return found


async def texts_of(link: Link, limits: Limits, tags: Mapping[str, ua.ReadValueId]) -> dict[str, bool]:
    """Which of `tags`, by what is read of each, hold one text, as far as the server says; without those of which it
    refuses to say anything now. Raises OSError as `Link.request`."""
    types = _Types(link, limits)
    found: dict[str, bool] = {}
    with suppress(UaError, ValueError):
        shapes = await types.shapes([wanted.NodeId for wanted in tags.values()])
        for (address, wanted), (kind, is_array) in zip(tags.items(), shapes, strict=True):
            with suppress(UaError):
                found[address] = (not is_array or bool(wanted.IndexRange)) and await types.is_text(kind)
    return found


class _Types:
    """The types of one server, as far as they are asked for."""

    def __init__(self, link: Link, limits: Limits) -> None:
        self._link = link
        self._limits = limits
        self._layouts = Layouts()
        self._names: dict[ua.NodeId, Mapping[int, str]] = {}
        self._built_in: dict[ua.NodeId, ua.VariantType] = {}

    async def meaning(self, tag: Tag, node: ua.NodeId) -> Meaning:
        if not (tag.structured or tag.named):
            return Meaning(tag.index)
        [kind] = await self._attributes([(node, AttributeIds.DataType)])
        if not isinstance(kind, ua.NodeId):
            raise ValueError("the server does not say which it is")  # noqa: TRY004 - of what the server says
        if tag.structured:
            await self._learn(kind)
        names = await self._names_of(node, kind) if tag.named else None
        return Meaning(tag.index, names, self._layouts if tag.structured else None)

    async def field(self, declaration: ua.NodeId, index: str) -> Meaning:
        [kind] = await self._attributes([(declaration, AttributeIds.DataType)])
        if not isinstance(kind, ua.NodeId) or not isinstance(await self._kind(kind), ua.NodeId):
            return Meaning(index)
        await self._learn(kind)
        return Meaning(index, layouts=self._layouts)

    async def shapes(self, nodes: Sequence[ua.NodeId]) -> list[tuple[object, bool]]:
        """The type of each of `nodes`, where the server says it, and whether it says that it is an array for sure."""
        attributes = AttributeIds.DataType, AttributeIds.ValueRank
        told = await self._attributes([(node, attribute) for node in nodes for attribute in attributes])
        ranks = (isinstance(rank, int) and rank >= 0 for rank in told[1::2])  # below 0 it can be one value
        return [*zip(told[::2], ranks, strict=True)]

    async def is_text(self, kind: object) -> bool:
        """Whether values of the type `kind` are texts. Raises UaError where the server refuses to say."""
        try:
            return isinstance(kind, ua.NodeId) and await self._kind(kind) in _TEXTS
        except ValueError:
            return False

    async def _names_of(self, variable: ua.NodeId, kind: ua.NodeId) -> Mapping[int, str]:
        if kind not in self._names:
            self._names[kind] = await self._listed(kind)
            if not self._names[kind]:
                [definition] = await self._attributes([(kind, AttributeIds.DataTypeDefinition)])
                self._names[kind] = _names_in(definition)
        names = self._names[kind] or await self._listed(variable)
        if not names:
            raise ValueError("the server has no names for its numbers")
        return names

    async def _listed(self, start: ua.NodeId) -> Mapping[int, str]:
        """The names that a property of a type, or of a variable, lists; none where there is no such property."""
        paths = [(start, [ua.QualifiedName(name, ua.Int16(0))]) for name in (_ENUM_STRINGS, _ENUM_VALUES)]
        places = [place for place in await translate(self._link, paths, self._limits) if place is not None]
        told = await self._attributes([(place, AttributeIds.Value) for place in places])
        return next(filter(None, map(_names_in, told)), {})

    async def _learn(self, kind: ua.NodeId) -> None:
        """Find out what a structure consists of, and all that it consists of."""
        waiting = [kind]
        while waiting:
            type_ = waiting.pop()
            if type_ in self._layouts.of:
                continue
            if len(self._layouts.of) >= MOST_TYPES:
                raise ValueError(f"it consists of more than {MOST_TYPES} types")
            [told] = await self._attributes([(type_, AttributeIds.DataTypeDefinition)])
            if not isinstance(told, ua.StructureDefinition):
                if library_class(type_) is not None:
                    continue
                raise ValueError("the server does not describe it")
            layout, inside = await self._layout(told)
            self._layouts.of[type_] = layout
            self._layouts.encodings[told.DefaultEncodingId] = type_
            waiting += inside

    async def _layout(self, told: ua.StructureDefinition) -> tuple[Layout, list[ua.NodeId]]:
        found: list[FieldLayout] = []
        inside: list[ua.NodeId] = []
        for each in told.Fields or ():
            kind = await self._kind(each.DataType)
            if isinstance(kind, ua.NodeId):
                inside.append(kind)
            if each.ValueRank > 1:
                raise ValueError(f"its field {each.Name} is an array of several dimensions")
            found.append(FieldLayout(str(each.Name), kind, each.ValueRank == 1, bool(each.IsOptional)))
        match told.StructureType:
            case ua.StructureType.Structure:
                return Layout(tuple(found)), inside
            case ua.StructureType.StructureWithOptionalFields:
                return Layout(tuple(found), "optional"), inside
            case ua.StructureType.Union:
                return Layout(tuple(found), "union"), inside
        raise ValueError("structures with subtypes in them are not known here")

    async def _kind(self, type_: ua.NodeId) -> ua.VariantType | ua.NodeId:
        """The built-in type that values of `type_` are written as; the type itself where that is a structure."""
        seen = [type_]
        while True:
            top = seen[-1]
            if top in self._built_in:
                break
            number = top.Identifier if top.NamespaceIndex == 0 and isinstance(top.Identifier, int) else 0
            if number == _STRUCTURE:
                return type_ if len(seen) > 1 else ua.VariantType.ExtensionObject
            if number == _ENUMERATION:
                self._built_in[top] = ua.VariantType.Int32
            elif number == ObjectIds.BaseDataType:
                self._built_in[top] = ua.VariantType.Variant
            elif 0 < number <= _HIGHEST_BUILT_IN:
                self._built_in[top] = ua.VariantType(number)
            elif len(seen) > MOST_TYPES:
                raise ValueError("its types have no beginning")
            else:
                [parent] = await parents(self._link, [top], self._limits)
                if parent is None:
                    raise ValueError(f"the server does not say what {top.to_string()} is made of")
                seen.append(parent)
        self._built_in.update(dict.fromkeys(seen, self._built_in[seen[-1]]))
        return self._built_in[type_]

    async def _attributes(self, asked: Sequence[tuple[ua.NodeId, AttributeIds]]) -> list[object]:
        """What the server says, None where it says nothing."""
        wanted = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in asked]
        return [
            each.Value.Value
            if each.Value is not None and (each.StatusCode is None or each.StatusCode.is_good())
            else None
            for each in await read_raw(self._link, wanted, self._limits)
        ]


def _names_in(told: object) -> dict[int, str]:
    if isinstance(told, ua.EnumDefinition):
        return names_of({each.Value: each.Name for each in told.Fields or ()})
    if not isinstance(told, list):
        return {}
    if all(isinstance(each, ua.EnumValueType) for each in told):
        return names_of({each.Value: each.DisplayName for each in told})
    return names_of(dict(enumerate(told)))
