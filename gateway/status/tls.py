"""TLS of the status page: its certificate, which is read again when its files are others, and the handshakes."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import structlog

from gateway.config.check import page_context
from gateway.config.schema_process import PageTls
from gateway.errors import GatewayError
from gateway.health import Condition

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
        self._stamp = self._stamped()
        self.ends, self._current = self._read()
        # A handshake takes the context that is current then: asyncio keeps the one that it was given.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def renew(self) -> None:
        """Read the files again where they are others than before."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.ends, self._current = self._read()
        except GatewayError as error:
            self._unusable = str(error)
            log.warning("page_certificate_unusable", reason=str(error))
            return
        self._unusable = None
        log.info("page_certificate_renewed", ends=self.ends.isoformat())

    def conditions(self, now: float) -> Iterator[Condition]:
        """What is wrong with it."""
        if self._unusable is not None:
            yield Condition("page_certificate", "", f"{self._unusable} The page goes on with the one from before.")
        elif self.ends - datetime.fromtimestamp(now, UTC) < WARNED_BEFORE:
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

    def _read(self) -> tuple[datetime, ssl.SSLContext]:
        from cryptography import x509  # noqa: PLC0415 - 40 ms that only a page with TLS needs

        try:
            context = page_context(self._files)
            ends = x509.load_pem_x509_certificates(self._files.certificate.read_bytes())[0].not_valid_after_utc
        except (OSError, ValueError) as error:
            raise GatewayError(f"The page's certificate cannot be used: {error}.") from error
        return ends, context


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
        task = asyncio.get_running_loop().create_task(self._enter(cast("asyncio.Transport", transport)))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

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
