"""Addresses of other machines, and the page's own, that cannot be any. See `check`.

What is said of the address of a proxy repeats nothing of it: it may hold a password.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.config.error_messages import USER_IN_ADDRESS
from gateway.config.schema import Config
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_FORM = "after '://' comes a host and, if any, ':' and a port from 1 to 65535"
_USER = "no user or password can stand in an address, which is shown and logged; remove it"


def host_and_port(url: str) -> tuple[str, int | None] | None:
    """The host and, where there is one, the port of `url`; None where they are not well-formed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, port) if host and port != 0 else None


def why_no_address(url: str) -> str | None:
    """Why nothing can be reached at `url`, of which the scheme is right, without what may be a secret in it; None: it
    is an address."""
    address = host_and_port(url)
    if address is None:
        return _FORM
    return _USER if "@" in urlsplit(url).netloc else _why_no_host(address[0])


def address_faults(config: Config) -> Iterator[ConfigFault]:
    """What is wrong with the addresses of `config`, each by itself."""
    for loc, url in config.addresses:
        wrong = why_no_address(url)
        if wrong is not None:
            yield ConfigFault(loc, USER_IN_ADDRESS if wrong == _USER and loc[0] == "sources" else wrong)
        elif url.partition("://")[2].partition("/")[0].endswith(":"):
            yield ConfigFault(loc, "the port is missing behind the ':'; write it, or remove the ':'", warning=True)
    if urlsplit(config.oden.url).query or "#" in config.oden.url:
        text = "what stands behind a '?' or '#' is no part of the address that the names of all requests are put behind"
        yield ConfigFault(("oden", "url"), f"{text}: remove it")
    yield from _proxy(config)
    yield from _page(config.status.listen)


def _proxy(config: Config) -> Iterator[ConfigFault]:
    loc: Loc = ("oden", "proxy")
    url = config.oden.proxy.get_secret_value() if config.oden.proxy is not None else None
    if url is None:
        return
    address = host_and_port(url)
    if address is None:
        yield ConfigFault(loc, f"this is no address: {_FORM}")
    elif _why_no_host(address[0]) is not None:
        text = (
            "the host is none: it is a name, or an IP address of four numbers from 0 to 255; before a port stands ':'"
        )
        yield ConfigFault(loc, text)
    elif address[1] is None:
        text = (
            "without a port the proxy is asked at port 80; most listen elsewhere, as at 3128 or 8080: write it, as in"
        )
        yield ConfigFault(loc, f"{text} http://host:3128", warning=True)


def _page(listen: str) -> Iterator[ConfigFault]:
    loc: Loc = ("status", "listen")
    address = host_and_port(f"tcp://{listen}")
    if address is None:
        yield ConfigFault(loc, "write address:port, such as 127.0.0.1:8321, with a port from 1 to 65535")
    elif (wrong := _why_no_host(address[0])) is not None:
        yield ConfigFault(loc, wrong)


def _why_no_host(host: str) -> str | None:
    """Why nothing can be called so; None: it can."""
    sign = re.search(r"[^\w.:%-]", host)
    if sign is not None:
        return f"{quoted(sign[0])} cannot stand in the name of a host; before a port stands a ':'"
    if host.replace(".", "").isdigit() and not _is_address(host):
        return f"{quoted(host)} is no IP address: it has four numbers from 0 to 255"
    if ".." in host or host.startswith("."):
        return f"{quoted(host)} is no name of a host: a part of it is missing beside a point"
    return None


def _is_address(text: str) -> bool:
    numbers = text.split(".")
    return len(numbers) == 4 and all(number.isdigit() and int(number) < 256 for number in numbers)
