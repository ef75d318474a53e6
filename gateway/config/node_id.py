"""Node ids as they are written in the configuration (OPC UA Part 6, 5.1.12)."""

import base64
import binascii
import re
from dataclasses import dataclass
from uuid import UUID

_FORM = re.compile(r"(?:(?:nsu=(?P<uri>[^;]*)|ns=(?P<index>[^;]*));)?(?P<kind>[isgb])=(?P<identifier>.*)", re.DOTALL)
_EXAMPLE = "write a node id such as nsu=urn:acme:line;s=L01.State or ns=2;i=1001"
_LARGEST_INDEX = 0xFFFF
_LARGEST_NUMBER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node id, taken apart: `identifier` is an int, a str, a UUID or bytes.

    `namespace` is a URI, which holds for ever, or an index, which a server may give to another namespace when it
    restarts.
    """

    namespace: str | int
    identifier: int | str | UUID | bytes


def parse_node_id(text: str) -> NodeAddress:
    """Take `text` apart; ValueError says what is wrong and what would be right."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a node id: {_EXAMPLE}")
    return NodeAddress(_namespace(match["uri"], match["index"]), _identifier(match["kind"], match["identifier"]))


def _namespace(uri: str | None, index: str | None) -> str | int:
    if uri is not None:
        if not uri:
            raise ValueError(f"the namespace after nsu= is empty: {_EXAMPLE}")
        return uri.replace("%3B", ";").replace("%25", "%")
    return _number(index, "namespace index", _LARGEST_INDEX) if index is not None else 0


def _identifier(kind: str, text: str) -> int | str | UUID | bytes:
    if not text:
        raise ValueError(f"nothing stands after {kind}=: {_EXAMPLE}")
    if kind == "s":
        return text
    if kind == "i":
        return _number(text, "numeric identifier", _LARGEST_NUMBER)
    if kind == "g":
        if re.fullmatch(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text) is None:
            raise ValueError(f"'{text}' is not a GUID: write g=09087e75-8e5e-499b-954f-f2a9603db28a")
        return UUID(text)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(f"'{text}' is not base64: write b=M/RbKBsRVkePCePcx24oRA==") from None


def _number(text: str, what: str, largest: int) -> int:
    if re.fullmatch(r"[0-9]{1,10}", text) is None or int(text) > largest:
        raise ValueError(f"the {what} '{text}' must be a number from 0 to {largest}")
    return int(text)
