"""Who may read the page, and over what: the names that it is asked for by, and the token; and its
certificate, which is read again when its files are others, with the handshakes.
"""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.config.check_files import page_context
from gateway.config.schema_process import PageTls
from gateway.errors import GatewayError
from gateway.health import Condition

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


log = structlog.get_logger()

WARNED_BEFORE = timedelta(days=14)
"""What renews certificates by itself does so earlier."""

HANDSHAKE = 15.0
"""Seconds for a handshake."""

_Stamp = tuple[tuple[int, int, int], ...]


class PageCertificate:
    """The certificate and key of `files`. `context` serves whoever connects by those that were read last; files that
    cannot be used leave it as it is, and are a condition. GatewayError where they cannot be used at the start.
    """

    def __init__(self, files: PageTls) -> None:
        self._files = files
        self._unusable: str | None = None
        self._logged: tuple[datetime, bool] | None = None
        """The end that was logged, and whether it had come by then."""
        self._early: datetime | None = None
        """The beginning that was logged as yet to come."""
        self._stamp = self._stamped()
        self.begins, self.ends, self._current = self._read()
        # A handshake takes the context that is current then: asyncio keeps the one that it was given.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def look(self, now: float) -> None:
        """Read the files again where they are others than before. Log that the certificate does not count yet, that it
        ends soon, and that it has: then no browser shows the page on which that stands."""
        self._renew()
        if self._is_early(now) and self._early != self.begins:
            self._early = self.begins
            log.warning("page_certificate_begins", begins=self.begins.isoformat())
        left = self._left(now)
        if left < WARNED_BEFORE and self._logged != (logged := (self.ends, left <= timedelta(0))):
            self._logged = logged
            log.warning("page_certificate_ends", ends=self.ends.isoformat(), over=logged[1])

    def _is_early(self, now: float) -> bool:
        return datetime.fromtimestamp(now, UTC) < self.begins

    def _left(self, now: float) -> timedelta:
        """Negative or 0 once it is refused. In the second that it names it is still taken (RFC 5280, 4.1.2.5)."""
        return self.ends + timedelta(seconds=1) - datetime.fromtimestamp(now, UTC)

    def _renew(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.begins, self.ends, self._current = self._read()
        except GatewayError as error:
            self._unusable = str(error)
            log.warning("page_certificate_unusable", reason=str(error))
            return
        self._unusable = None
        log.info("page_certificate_renewed", ends=self.ends.isoformat())

    def conditions(self, now: float) -> Iterator[Condition]:
        """What is wrong with it."""
        left = self._left(now)
        ended = f"The page's certificate {self._files.certificate} has ended on {self.ends:%Y-%m-%d}"
        if self._unusable is not None:
            over = f" {ended}: browsers refuse it." if left <= timedelta(0) else ""
            yield Condition(
                "page_certificate", "", f"{self._unusable} The page goes on with the one from before.{over}"
            )
        elif self._is_early(now):
            text = f"The page's certificate {self._files.certificate} counts only from {self.begins:%Y-%m-%d} on"
            wrong = f"For the gateway it is {datetime.fromtimestamp(now, UTC):%Y-%m-%d}."
            yield Condition("page_certificate", "", f"{text}, and browsers refuse it until then: take another. {wrong}")
        elif left <= timedelta(0):
            yield Condition("page_certificate", "", f"{ended}, and browsers refuse it: renew it.")
        elif left < WARNED_BEFORE:
            text = f"The page's certificate {self._files.certificate} ends on {self.ends:%Y-%m-%d}: renew it."
            yield Condition("page_certificate", "", text)

    def _stamped(self) -> _Stamp:
        def stamp(path: Path) -> tuple[int, int, int]:
            try:
                found = path.stat()
            except OSError:
                return 0, 0, 0
            return found.st_ino, found.st_mtime_ns, found.st_size

        return stamp(self._files.certificate), stamp(self._files.key)

    def _read(self) -> tuple[datetime, datetime, ssl.SSLContext]:
        """From when until when it counts, and what serves by it."""
        from cryptography import x509  # noqa: PLC0415 - 40 ms that only a page with TLS needs

        try:
            context = page_context(self._files)
            own = x509.load_pem_x509_certificates(self._files.certificate.read_bytes())[0]
        except (OSError, ValueError) as error:
            raise GatewayError(f"The page's certificate cannot be used: {error}.") from error
        return own.not_valid_before_utc, own.not_valid_after_utc, context


class TlsEntry(asyncio.Protocol):
    """A connection that becomes one of `made()` once the handshake, by `context`, is done; until then it is among
    `pending`. Who does not make one within HANDSHAKE seconds is let go.
    """

    def __init__(
        self, made: Callable[[], asyncio.Protocol], context: ssl.SSLContext, pending: set["asyncio.Task[None]"]
    ) -> None:
        self._made, self._context, self._pending = made, context, pending

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        taken = cast("asyncio.Transport", transport)
        task = asyncio.get_running_loop().create_task(self._enter(taken))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        task.add_done_callback(lambda done: taken.abort() if done.cancelled() else None)

    async def _enter(self, transport: asyncio.Transport) -> None:
        early, loop = _Early(), asyncio.get_running_loop()
        try:
            tls = await loop.start_tls(
                transport, early, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except OSError:  # no TLS, a certificate that is not trusted, or gone again
            transport.abort()
            return
        if tls is None or tls.is_closing():
            return
        protocol = self._made()
        tls.set_protocol(protocol)
        protocol.connection_made(tls)
        if early.data:
            protocol.data_received(bytes(early.data))


class _Early(asyncio.Protocol):
    """What comes together with the end of the handshake."""

    def __init__(self) -> None:
        self.data = bytearray()

    def data_received(self, data: bytes) -> None:
        self.data += data
