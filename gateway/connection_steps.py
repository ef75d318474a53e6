"""The steps by which connections are made and requests sent, in the log at level debug: where one fails or hangs, the
last that was done says how far it has come.

They name hosts and ports, versions and counts; nothing that could be a secret is among them.
"""

import ssl
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import structlog

from gateway.secret_forms import shown_address

log = structlog.get_logger()


def note_step(to: str, step: str, **what: object) -> None:
    """`step` of the connection to the address `to` is done, with `what` there is to be said of it. A program that only
    uses the client of Oden has no log of ours: there, structlog would print it."""
    if structlog.is_configured():
        log.debug("connection_step", to=shown_address(to), step=step, **what)


def note_sent(request: str, endpoint: str) -> None:
    """The request that the log calls `request` has left. Nothing where there is no log of ours, as above."""
    if structlog.is_configured():
        log.debug("request_sent", request=request, endpoint=endpoint)


class StepwiseTls(ssl.SSLObject):
    """For `SSLContext.sslobject_class`: TLS that notes when the way to the other side stands, and when both agree."""

    _begun = False

    def do_handshake(self) -> None:
        """Called again and again until all of it is done."""
        host = self.server_hostname or ""
        if not self._begun:
            self._begun = True
            note_step(host, "tcp")
        super().do_handshake()
        cipher = self.cipher()
        note_step(host, "tls", version=self.version(), cipher=cipher[0] if cipher else None)


def tls_to(ca: Path | None) -> ssl.SSLContext:
    """What secures a connection to a server that the file `ca` vouches for; None: what the system trusts. Raises
    OSError where it cannot be used.

    From Python 3.13 on, certificates are by default refused for what nobody minded before, such as a missing identifier
    of the authority's key. A plant that has made its own goes on when the system below the gateway is renewed.
    """
    context = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
    if ca is not None:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.sslobject_class = StepwiseTls
    return context


def http_steps(url: str) -> aiohttp.TraceConfig:
    """What notes the steps to `url`: that a name was found, and that the way stands, which TLS notes itself."""
    trace = aiohttp.TraceConfig()

    async def found(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceDnsResolveHostEndParams
    ) -> None:
        note_step(params.host, "dns")

    async def stands(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceConnectionCreateEndParams
    ) -> None:
        note_step(url, "tcp")

    trace.on_dns_resolvehost_end.append(found)
    if urlsplit(url).scheme not in ("https", "wss"):
        trace.on_connection_create_end.append(stands)
    return trace
