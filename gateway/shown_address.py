"""Addresses as they are shown and logged."""

import re

_USER = re.compile(r"(?<=://)[^/?#]*@")
_VALUE = re.compile(r"=[^&;#\s]*")


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    if mark and "=" not in query:
        return f"{before}?***"
    return f"{before}{mark}{_VALUE.sub('=***', query)}"
