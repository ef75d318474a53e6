"""A session with a server: opened step by step, taken up again over another connection, kept by renewing its channel in
time, and left in good order.

The library's own `connect` starts a supervisor, a watchdog and a publish loop behind one's back; here none runs.
"""

import asyncio
import math
import shlex
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import structlog
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.schema import OpcuaConfig
from gateway.connection_steps import note_step
from gateway.errors import SourceError
from gateway.health import KindName
from gateway.secret_forms import shown_address
from gateway.sources.opcua.certificates import split_chain
from gateway.sources.opcua.greeting import connect, greet
from gateway.sources.opcua.renewal import Stamps
from gateway.sources.opcua.security import (
    Protected,
    certificate_ends,
    check_password_way,
    concerns,
    protect,
    user_of,
    why_not_open,
)
from gateway.sources.opcua.services import WELL, LinkLost, service_level, state_of
from gateway.sources.opcua.session_key import KeyFile, SessionKey
from gateway.sources.opcua.translation import SESSION_GONE, reason_of, translated
from gateway.sources.opcua.transport import is_cut, keep_channel, open_channel, send

T = TypeVar("T")
log = structlog.get_logger()

CHANNEL_LIFETIME = 3600.0
"""Seconds that the server is asked to keep a channel's keys; it may choose another time."""
SESSION_TIMEOUT = 60.0
"""Seconds without a word after which the server may drop the session; it may choose another time."""
SHORT_SESSION = 6.0
"""The same at a server that does not let a session be taken up over another connection: each cut and each crash leaves
one behind, which is gone before anybody is told that there is no connection."""
LOOK_AROUND = 60.0
"""Seconds between two looks whether another server is better, while the one that is used says that it is not well."""

_EXPORT = "what this prints: oden-gateway pki export"
_DISTRUST = ("BadSecurityChecksFailed", "BadCertificate")
_CLOSING = 2.0  # seconds that a server gets for a farewell


class Channel:
    """The session with one server, over one connection at a time."""

    def __init__(
        self, config: OpcuaConfig, keys: KeyFile, lifetime: float = CHANNEL_LIFETIME, *, lasts: bool = False
    ) -> None:
        """`keys` remembers the session of a gateway that has crashed; `lifetime` in seconds, see CHANNEL_LIFETIME. One
        that `lasts` is to be taken up over other connections."""
        self._config = config
        address = urlsplit(config.url)
        password = config.password.get_secret_value() if config.password is not None else None
        self._addresses = [config, *(config.model_copy(update={"url": url}) for url in config.redundant)]
        self._level = 0
        """How well the server said that it is when it was chosen."""
        self._looked_around = -LOOK_AROUND
        self._user = config.username or (unquote(address.username) if address.username else None)
        self._password = password or (unquote(address.password) if address.password else None)
        self._lifetime = lifetime
        # There are servers that take up no session of a user that is a certificate: whether this one does is tried.
        self._to_try = lasts and config.user_certificate is not None
        self._session_timeout = SHORT_SESSION if self._to_try else SESSION_TIMEOUT
        self._client = self._new_client()
        self._room = math.inf
        """Bytes that a request may have."""
        self._at = 0.0
        """When it was connected last, in seconds since 1970."""
        self._protected: Protected | None = None
        self._stamps = Stamps(frozenset(), frozenset())
        self._unused = ""
        self._tried = -LOOK_AROUND  # apart from looking for a twin, which else would never come to its turn
        self._keys = keys
        self._key = keys.load()

    def _new_client(self) -> Client:
        client = Client(with_port(self._config.url), timeout=self._config.timeout)
        client.name = client.description = "oden-gateway"
        client.application_uri = application_uri()
        client.session_timeout = round(self._session_timeout * 1000)
        client.secure_channel_timeout = round(self._lifetime * 1000)
        return client

    @property
    def session_timeout(self) -> float:
        """Seconds without a request from us after which the server drops the session, as it has decided; as we have
        asked where it says nothing sensible."""
        told = float(self._client.session_timeout) / 1000
        return told if 0 < told < math.inf else self._session_timeout

    def concerns(self, now: float) -> dict[KindName, str]:
        """See `security.concerns`; and why certificates that were renewed are not used."""
        told = concerns(self._config, self._protected, now)
        if self._unused:
            told["certificate_expires"] = f"the certificates that were renewed are not used yet: {self._unused}"
        return told

    @property
    def alternatives(self) -> bool:
        """See `Connection.alternatives`."""
        return len(self._addresses) > 1

    @property
    def certificate_ends(self) -> float | None:
        """See `security.certificate_ends`."""
        return certificate_ends(self._protected)

    async def open(self, now: float) -> None:
        """See `Connection.open`. Of several addresses the first is taken that says that it is well; else the one that
        says that it is least ill."""
        if self.alternatives:
            self._config = await self._best(now)
        else:
            await self._connect(now, self._replace)
        if self._to_try and self._key is not None:
            await self._try_taking_up(self._key, now)

    async def _try_taking_up(self, key: SessionKey, now: float) -> None:
        """Find out whether the server lets another connection have the session that has just begun. One that lasts is
        begun then; else this one goes on where it is, and none is left behind."""
        other = Channel(self._config.model_copy(update={"redundant": []}), KeyFile(None))
        try:
            taken = await other._connect(now, partial(other._end, key))
        except (SourceError, OSError) as error:
            log.info("opcua_session_not_tried", url=shown_address(self._config.url), reason=reason_of(error))
            return
        finally:
            other.drop()
        self._to_try, self._session_timeout = False, other._session_timeout
        if taken:
            self._key = None
            await self._connect(now, self._begin)

    async def is_ill(self, now: float) -> bool:
        """See `Connection.is_ill`."""
        if not self.alternatives:
            return False
        with translated("the server does not answer"):
            level = await service_level(self)
        if level >= WELL or level < self._level:
            return level < min(self._level, WELL)
        if time.monotonic() < self._looked_around + LOOK_AROUND:
            return False
        self._looked_around = time.monotonic()
        others = [config for config in self._addresses if config.url != self._config.url]
        return any([state_of(await _level_of(config, now)) > state_of(level) for config in others])

    async def _best(self, now: float) -> OpcuaConfig:
        """Begin a session at the best of several addresses; which that is. Raises SourceError where none can be had."""
        levels: list[tuple[int, OpcuaConfig]] = []
        failures: list[str] = []
        for config in self._addresses:
            self._config = config
            try:
                await self._connect(now, self._replace)
                levels.append((await service_level(self), config))
            except (SourceError, OSError) as error:
                failures.append(f"{shown_address(config.url)}: {error}")
                await self.close()
                continue
            self._level = levels[-1][0]
            if self._level >= WELL:
                return config
            await self.close()
        if not levels:
            raise LinkLost("; ".join(failures))
        self._level, self._config = max(levels, key=itemgetter(0))
        await self._connect(now, self._replace)
        return self._config

    async def heed_files(self, now: float) -> None:
        """See `Connection.heed_files`. Certificates of ours are tried in another session first: a server that does not
        trust them yet is not lost by that."""
        if self._protected is None or self._protected.again is None:
            return
        before, self._stamps = self._stamps, Stamps.of(self._config)
        if self._stamps.trust != before.trust:
            self._protected.again(now)
        waited = time.monotonic() >= self._tried + LOOK_AROUND
        if self._stamps.ours == before.ours and not (self._unused and waited):
            return
        self._tried = time.monotonic()
        other = Channel(self._config.model_copy(update={"redundant": []}), KeyFile(None))
        try:
            await other.open(now)
        except SourceError as error:
            self._unused = str(error)
        else:
            self._key = None  # it was begun by the other certificate, so it cannot be taken up
            raise LinkLost("certificates were renewed, so a session with them is begun")
        finally:
            await other.close()

    async def resume(self, now: float) -> bool:
        """See `Connection.resume`."""
        return await self._connect(now, self._take_up_or_begin)

    async def _connect(self, now: float, then: Callable[[], Awaitable[T]]) -> T:
        """Open a connection and its channel, and do `then` what is to be done with the session."""
        self.drop()
        self._at = now
        log.debug("opcua_connecting", url=shown_address(self._config.url), security=self._config.security)
        timeout = self._client.session_timeout
        self._client = client = self._new_client()
        client.session_timeout = timeout
        with translated("cannot connect"):
            if self._config.security not in {None, "none"}:
                self._stamps, self._unused = Stamps.of(self._config), ""
                self._protected = await protect(client, self._new_client(), self._config, now)
                note_step(self._config.url, "endpoints", security=self._config.security)
            try:
                async with asyncio.timeout(self._config.timeout):
                    await connect(client)
                    note_step(self._config.url, "tcp")
                    self._room = await greet(client, self._config.timeout)
                    note_step(self._config.url, "hello")
                    await open_channel(client)
                    note_step(self._config.url, "secure_channel", lifetime=client.secure_channel_timeout / 1000)
                    return await then()
            except (OSError, UaError) as error:
                lost = isinstance(error, OSError) or is_cut(client)
                raise (LinkLost if lost else SourceError)(await self._explained(error)) from error

    async def _replace(self) -> None:
        if self._key is not None and self._key.url == self._config.url:
            key, self._key = self._key, None  # once: where that ends the connection, it is not tried again
            self._keys.forget()
            await self._end(key)
        await self._begin()

    async def _end(self, key: SessionKey) -> bool:
        """Take up the session of `key` and end it; whether the server lets that be done."""
        try:
            await self._take_up(key)
            await self._client.uaclient.session.close_session(delete_subscriptions=True)
        except UaError:
            return False
        finally:
            self._client.uaclient.session.reset_authentication_token()
        log.info("opcua_old_session_closed", url=shown_address(self._config.url))
        return True

    async def _take_up_or_begin(self) -> bool:
        if self._key is not None:
            try:
                await self._take_up(self._key)
            except UaError as error:
                log.info("opcua_session_not_taken_up", url=shown_address(self._config.url), reason=reason_of(error))
                self._key = None
                self._client.uaclient.session.reset_authentication_token()
            else:
                return True
        await self._begin()
        return False

    async def _begin(self) -> None:
        self._client.session_timeout = round(self._session_timeout * 1000)
        await self._client.create_session()
        note_step(self._config.url, "session", timeout=self._client.session_timeout / 1000)
        try:
            await self._activate()
        except BaseException:
            with suppress(OSError, UaError):  # else it would be one of the server's few until that drops it
                await self._client.uaclient.session.close_session(delete_subscriptions=True)
            raise

    async def _take_up(self, key: SessionKey) -> None:
        client: Any = self._client
        if key.url != self._config.url:
            raise UaError("the session was with another server")
        endpoints = await client.get_endpoints()
        policy = client.security_policy
        endpoint = client.find_endpoint(endpoints, policy.Mode, policy.URI)
        client._policy_ids = endpoint.UserIdentityTokens  # noqa: SLF001 - the library fills it for new sessions only
        if not policy.peer_certificate and endpoint.ServerCertificate:
            policy.peer_certificate = split_chain(endpoint.ServerCertificate)[0].public_bytes(Encoding.DER)
        client._server_nonce = bytes.fromhex(key.nonce) or None  # noqa: SLF001 - as above
        client.uaclient.session.restore_authentication_token(ua.NodeId.from_string(key.token))
        try:
            await self._activate()
        except UaStatusCodeError as error:
            if error.code not in SESSION_GONE:
                self._to_try, self._session_timeout = False, SHORT_SESSION
            raise
        self._to_try, self._session_timeout = False, SESSION_TIMEOUT

    async def _activate(self) -> None:
        client: Any = self._client
        if self._password:
            await check_password_way(client, self._config, self._at)
        certificate = None
        if self._config.user_certificate is not None and self._config.user_key is not None:
            certificate, client.user_private_key = user_of(self._config.user_certificate, self._config.user_key)
        await client.activate_session(self._user, self._password, certificate)
        note_step(self._config.url, "activated")
        token = client.uaclient.session.authentication_token.to_string()
        nonce = (client._server_nonce or b"").hex()  # noqa: SLF001 - the next activation needs it
        self._key = SessionKey(self._config.url, token, nonce)
        self._keys.save(self._key)

    async def _explained(self, error: Exception) -> str:
        """Why there is no session, with what helps."""
        if self._config.security in {None, "none"} and isinstance(error, UaError):
            with suppress(OSError, UaError, ValueError, SourceError):
                reason = await why_not_open(self._new_client(), self._config)
                if reason is not None:
                    return f"cannot connect: {reason}"
        reason = f"cannot connect: {reason_of(error)}"
        ends = self._protected.ours.not_valid_after_utc if self._protected is not None else None
        if ends is not None and ends.timestamp() < self._at:
            return f"{reason}; the gateway's own certificate has expired on {ends:%Y-%m-%d}"
        if self._protected is not None and (isinstance(error, OSError) or any(name in reason for name in _DISTRUST)):
            # a server that does not trust us says so, or hangs up
            export = f"{_EXPORT} --pki {shlex.quote(str(self._config.pki))}"
            return f"{reason}; if the server does not trust the gateway, give it {export}"
        return reason

    async def request(self, request: Any, limit: float | None = None) -> Buffer:
        """See `services.Link`."""
        return await send(self._client, request, limit, self._room)

    async def keep(self) -> None:
        """See `Connection.keep`."""
        await keep_channel(self._client, self._lifetime, self._config.url)

    def drop(self) -> None:
        """See `Connection.drop`."""
        protocol = self._client.uaclient.protocol
        self._client.disconnect_socket()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()

    async def close(self) -> None:
        """Say farewell and leave nothing behind: no task, no socket.

        The library's farewell swallows a cancellation that hits it and waits for a server that may be dead, so it gets
        a task and a limit of its own. It also does not close a socket whose loss the library has concluded by itself.
        """
        protocol = self._client.uaclient.protocol
        farewell = asyncio.create_task(self._client.disconnect())
        stood = protocol is not None and not protocol.is_closed
        try:
            done, _ = await asyncio.wait({farewell}, timeout=_CLOSING)
            if stood and done:  # else the server may have the session still: the next one ends it
                self._key = None
                self._keys.forget()
        finally:
            farewell.cancel()
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()


async def _level_of(config: OpcuaConfig, now: float) -> int:
    """How well the server with one address says that it is, in a session of its own; 0 where it does not say."""
    other = Channel(config.model_copy(update={"redundant": []}), KeyFile(None))
    try:
        await other.open(now)
        return await service_level(other)
    except (SourceError, OSError):
        return 0
    finally:
        await other.close()


def application_uri() -> str:
    """What the gateway calls itself where it has no certificate that says so."""
    return f"urn:{socket.gethostname()}:oden-gateway"


def with_port(url: str) -> str:
    """`url` with the registered port (Part 6, 7.2) where it has none."""
    address = urlsplit(url)
    return url if address.port is not None else address._replace(netloc=f"{address.netloc}:4840").geturl()
