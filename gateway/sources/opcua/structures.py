"""Structures as their server defines them (Part 3, 8.51; Part 6, 5.2.6), read into fields by name. Pure.

The library keeps what it knows of types for the whole process, by ids that mean something else at another server. Here
each session has its own.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIdNames
from asyncua.ua.ua_binary import extensionobject_from_binary, struct_from_binary, unpack_uatype, variant_from_binary

from gateway.sources.opcua.decode import decimal_of, is_decimal, scalar_of

MOST_ELEMENTS = 10_000
"""Elements of an array in a structure; a structure with more is not read."""
_DEEPEST = 20  # structures within each other

_UINT32, _INT32 = struct.Struct("<I"), struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """A field: its built-in type, or the id of the structure that it holds. `optional`: it can be left out."""

    name: str
    type: ua.VariantType | ua.NodeId
    array: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A structure. In a `union` one field at most is there."""

    fields: tuple[FieldLayout, ...]
    kind: Literal["plain", "optional", "union"] = "plain"


@dataclass(slots=True)
class Layouts:
    """The structures of a server that are known, by their type, and types by the ids of their encoding. What the server
    does not describe of the standard's own, the library knows."""

    of: dict[ua.NodeId, Layout] = field(default_factory=dict)
    encodings: dict[ua.NodeId, ua.NodeId] = field(default_factory=dict)

    def read(self, value: object) -> object:
        """What a structure says: its fields by name, where they are scalars, structures or lists of these. Raises
        ValueError for one that is not known, or is not what its definition says."""
        return self._content(value, 0)

    def _content(self, value: object, depth: int) -> object:
        if isinstance(value, ua.ExtensionObject):
            if is_decimal(value):
                return decimal_of(value.Body or b"")
            type_ = self.encodings.get(value.TypeId)
            if type_ is None:
                raise ValueError("the tag holds a structure of a type that the server does not describe")
            try:
                return self._structure(self.of[type_], Buffer(value.Body or b""), depth)
            except ValueError:
                raise
            except Exception as error:  # the library raises whatever comes of bytes that mean nothing
                raise ValueError("the tag's structure is not what the server says of its type") from error
        if is_dataclass(value) and not isinstance(value, type | ua.NodeId | ua.QualifiedName | ua.LocalizedText):
            return {each.name: self._content(getattr(value, each.name), depth + 1) for each in fields(value)}
        if isinstance(value, list):
            return [self._content(each, depth + 1) for each in value]
        try:
            return scalar_of(value, None)
        except ValueError:
            return None  # bytes, say: nobody can want them, and the other fields are there

    def _structure(self, layout: Layout, data: Buffer, depth: int) -> dict[str, object]:
        if depth > _DEEPEST:
            raise ValueError("the tag's structure holds others, too deep to be read")
        present = layout.fields
        if layout.kind == "union":
            chosen = _UINT32.unpack(data.read(4))[0]
            present = layout.fields[chosen - 1 : chosen] if chosen else ()
        elif layout.kind == "optional":
            mask, optional = _UINT32.unpack(data.read(4))[0], [each for each in layout.fields if each.optional]
            absent = {each.name for place, each in enumerate(optional) if not mask >> place & 1}
            present = tuple(each for each in layout.fields if each.name not in absent)
        return {each.name: self._field(each, data, depth) for each in present}

    def _field(self, each: FieldLayout, data: Buffer, depth: int) -> object:
        if not each.array:
            return self._one(each.type, data, depth)
        length = max(0, _INT32.unpack(data.read(4))[0])
        if length > MOST_ELEMENTS:
            raise ValueError(f"the field {each.name} of the tag's structure has more than {MOST_ELEMENTS} elements")
        return [self._one(each.type, data, depth) for _ in range(length)]

    def _one(self, kind: ua.VariantType | ua.NodeId, data: Buffer, depth: int) -> object:
        if isinstance(kind, ua.NodeId):
            known = self.of.get(kind) or library_class(kind)
            if isinstance(known, type):
                return self._content(struct_from_binary(known, data), depth + 1)
            return self._structure(self.of[kind], data, depth + 1)
        if kind == ua.VariantType.ExtensionObject:
            return self._content(extensionobject_from_binary(data), depth + 1)
        if kind == ua.VariantType.Variant:
            return self._content(variant_from_binary(data).Value, depth + 1)
        value = unpack_uatype(kind, data)
        try:
            return scalar_of(value, kind)
        except ValueError:
            return None  # as above


def library_class(type_: ua.NodeId) -> type | None:
    """What the library makes of structures of a type of the standard; None where it does not know such a type."""
    number = type_.Identifier
    name = ObjectIdNames.get(number, "") if type_.NamespaceIndex == 0 and isinstance(number, int) else ""
    found = getattr(ua, name, None)
    return found if isinstance(found, type) and found in ua.extension_objects_by_typeid.values() else None


def names_of(texts: Mapping[int, ua.LocalizedText | str | None]) -> dict[int, str]:
    """The names of an enumeration, as plain text; those without are left out."""
    plain = {number: text.Text if isinstance(text, ua.LocalizedText) else text for number, text in texts.items()}
    return {number: str(text) for number, text in plain.items() if text}
