"""Addresses as they are shown and logged."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

_USER = re.compile(r"(?<=://)[^/?#]*@")
_VALUE = re.compile(r"=[^&;#\s]*")


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    if mark and "=" not in query:
        return f"{before}?***"
    return f"{before}{mark}{_VALUE.sub('=***', query)}"


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
