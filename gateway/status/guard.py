"""Who may read the page: the names that it is asked for by, the token, and how many at once."""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "oden-gateway",  # instead of the library's, which names the versions of everything
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer."""

PROBES = frozenset({"/healthz", "/readyz"})
"""What a supervisor asks, which has no token."""


def host_name(header: str) -> str:
    """The name in a Host header, in small letters, without its port and the brackets of an IPv6 address."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_own(header: str, names: Collection[str]) -> bool:
    """Whether a browser that sends this Host header was sent here by somebody who knows this machine: an attacker's
    name, which he has made point here, is neither an IP address nor one of `names`."""
    name = host_name(header)
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name in names
    return True


def own_names(listen: str, hosts: Sequence[str]) -> frozenset[str]:
    """The names under which the page is served."""
    return frozenset(host_name(name) for name in ("localhost", listen, socket.gethostname(), *hosts))


def has_token(header: str, token: str) -> bool:
    """Whether an Authorization header carries the token: as Bearer, or as the password of whatever user."""
    scheme, _, said = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            said = base64.b64decode(said.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(said.strip().encode(errors="replace"), token.encode())


def may_read(headers: Mapping[str, str], token: str | None) -> bool:
    """Whether whoever sends these headers may know what the page says."""
    return token is None or has_token(headers.get("Authorization", ""), token)


def admission(names: Collection[str], token: str | None) -> Middleware:
    """Lets those through who may read. Who sends no Host header is no browser."""

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if host is not None and not is_own(host, names):
            text = "The status page is not served under this name. List it under `status.hosts` in the configuration."
            return web.Response(text=text, status=421)
        if request.path not in PROBES and not may_read(request.headers, token):
            asks = {"WWW-Authenticate": 'Basic realm="oden-gateway", charset="UTF-8"'}
            return web.Response(text="The status page needs the token (`status.token`).", status=401, headers=asks)
        return await handler(request)

    return admit


class Reticent(web.RequestHandler):
    """Answers what is no request without repeating it, and without the library's name and version."""

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer where there is no other."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            super().handle_error(request, status, exc, message)  # for the log: it is a fault of the gateway's own
        response = web.Response(status=status, text=HTTPStatus(status).phrase, headers=HEADERS)
        response.force_close()
        return response


class Refused(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def at_most(most: int, made: Callable[[], asyncio.BaseProtocol], connected: Callable[[], int]) -> asyncio.BaseProtocol:
    """The protocol of one more connection, while fewer than `most` are `connected`."""
    return made() if connected() < most else Refused()
