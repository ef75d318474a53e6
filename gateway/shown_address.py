"""Addresses as they are shown and logged."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

_USER = re.compile(r"(?<=://)[^/?#]*@")
_PART = re.compile(r"(?<![^&;#])([^&;#=]*=|)[^&;#]+")
"""A part of a query: its name with the sign behind it, or nothing, and what it says."""


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    return before + mark + _PART.sub(r"\1***", query)


def secrets_in(url: str) -> Iterator[str]:
    """What may be a secret in `url`, as it is written there and as it is meant: the password, and all values of its
    query."""
    try:
        parts = urlsplit(url)
        found = [parts.password or "", *re.split(r"[&;]", parts.query)]
    except ValueError:
        return
    for text in found:
        value = text.partition("=")[2] or text
        yield from {value, unquote(value)}
