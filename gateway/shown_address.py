"""Addresses as they are shown and logged."""

import re
from collections.abc import Iterator

_USER = re.compile(r"(?<=://)[^?]*@")
"""Who is named before the host, also where a password has a `/` or `#` that should have been escaped: `me:1/word@host`
reads as a host with a port and a path.
"""
_PART = re.compile(r"(?<![^&;#])([^&;#=]*=|)[^&;#]+")
"""A part of a query: its name with the sign behind it, or nothing, and what it says."""


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    return before + mark + _PART.sub(r"\1***", query)


def not_shown(url: str) -> Iterator[str]:
    """What of `url` is not shown."""
    for user in _USER.findall(url):
        yield user.removesuffix("@")
    for part in _PART.finditer(url.partition("?")[2]):
        yield part[0].removeprefix(part[1])
