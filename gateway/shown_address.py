"""Addresses as they are shown and logged."""

import re

_USER = re.compile(r"(?<=://)[^/?#]*@")
_PART = re.compile(r"(?<![^&;#])([^&;#=]*=|)[^&;#]+")
"""A part of a query: its name with the sign behind it, or nothing, and what it says."""


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    return before + mark + _PART.sub(r"\1***", query)
