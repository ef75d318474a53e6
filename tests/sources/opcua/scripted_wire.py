"""A socket before the scripted OPC UA server: what it says goes over a connection of the standard's own (Part 6, 6.7
and 7.1), without security, in the chunks and with the limits that a test wants.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIdNames
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from tests.peers import free_port
from tests.sources.opcua.scripted import Server

_NONE = "http://opcfoundation.org/UA/SecurityPolicy#None"
_HEADER = struct.Struct("<3scI")
_SYMMETRIC = struct.Struct("<IIII")  # channel, token, number, request


class Wire:
    """Takes connections for `server`. The manners are attributes: change them at any time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = free_port()
        self.receive_buffer = self.send_buffer = 65_535
        """The largest chunks that it takes and sends."""
        self.most_bytes = self.most_chunks = 0
        """Of a message that it takes; 0: any."""
        self.chunk = 60_000
        """Bytes of a message in one chunk."""
        self.longest_answer = 0
        """Bytes of an answer that it gives, but of what it publishes; 0: any."""
        self.lifetime = 3_600_000
        """Of a channel's keys, in milliseconds, whatever was asked."""
        self.session_timeout = 60_000.0
        self.ends_sessions = False
        """Whether a session of which nobody asks for so long is over."""
        self.renewals = 0
        self.renewal = "granted"
        """Else `fault`, `error`, `silent`."""
        self._heard: dict[int, float] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def fail(self, code: int) -> None:
        """End all connections, and say why."""
        for writer in [*self._writers]:
            self._end(writer, code)

    def _end(self, writer: asyncio.StreamWriter, code: int) -> None:
        body = struct.pack("<Ii", code, -1)
        writer.write(_HEADER.pack(b"ERR", b"F", _HEADER.size + len(body)) + body)
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first message to its end."""
        self._writers.add(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await _Connection(self, reader, writer).live()
        finally:
            self._writers.discard(writer)
            writer.close()

    def is_over(self, session: int) -> bool:
        """Whether nobody has asked anything in the session for too long."""
        now = asyncio.get_running_loop().time()
        before = self._heard.get(session, now)
        self._heard[session] = now
        return self.ends_sessions and now - before > self.session_timeout / 1000

    def answer_beside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


class _Connection:
    def __init__(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wire, self._reader, self._writer = wire, reader, writer
        self._number = 0
        self._token = 1
        self._parts: list[bytes] = []

    async def live(self) -> None:
        wire = self._wire
        while True:
            kind, final, size = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            body = await self._reader.readexactly(size - _HEADER.size)
            if size > wire.receive_buffer:
                return wire._end(self._writer, StatusCodes.BadTcpMessageTooLarge)
            if kind == b"HEL":
                told = struct.pack(
                    "<IIIII", 0, wire.receive_buffer, wire.send_buffer, wire.most_bytes, wire.most_chunks
                )
                self._writer.write(_HEADER.pack(b"ACK", b"F", _HEADER.size + len(told)) + told)
            elif kind == b"OPN":
                if not self._open(Buffer(body, 4)):
                    return None
            elif kind == b"CLO":
                return None
            else:
                self._parts.append(body[_SYMMETRIC.size :])
                long = wire.most_bytes and sum(map(len, self._parts)) > wire.most_bytes
                if long or (wire.most_chunks and len(self._parts) > wire.most_chunks):
                    return wire._end(self._writer, StatusCodes.BadTcpMessageTooLarge)
                if final == b"F":
                    message, self._parts = b"".join(self._parts), []
                    wire.answer_beside(self._answer(message, _SYMMETRIC.unpack_from(body)[3]))

    def _open(self, data: Buffer) -> bool:
        for _ in range(3):  # policy and certificates
            data.read(max(0, struct.unpack("<i", data.read(4))[0]))
        _, number = struct.unpack("<II", data.read(8))
        asked = struct_from_binary(ua.OpenSecureChannelRequest, data)
        response: Any = ua.OpenSecureChannelResponse()
        if asked.Parameters.RequestType == ua.SecurityTokenRequestType.Renew:
            self._wire.renewals += 1
            self._token += 1
            if self._wire.renewal == "error":
                self._wire._end(self._writer, StatusCodes.BadSecureChannelTokenUnknown)
                return False
            if self._wire.renewal == "silent":
                return True
            if self._wire.renewal == "fault":
                response = _fault(StatusCodes.BadSecurityChecksFailed)
        if not isinstance(response, ua.ServiceFault):
            token = response.Parameters.SecurityToken
            token.ChannelId, token.TokenId = ua.UInt32(7), ua.UInt32(self._token)
            token.CreatedAt, token.RevisedLifetime = self._wire.server.now(), ua.UInt32(self._wire.lifetime)
            response.Parameters.ServerNonce = b""
        response.ResponseHeader.RequestHandle = asked.RequestHeader.RequestHandle
        policy = _NONE.encode()
        self._number += 1
        head = struct.pack("<Ii", 7, len(policy)) + policy + struct.pack("<iiII", -1, -1, self._number, number)
        body = head + struct_to_binary(response)
        self._writer.write(_HEADER.pack(b"OPN", b"F", _HEADER.size + len(body)) + body)
        return True

    async def _answer(self, message: bytes, number: int) -> None:
        kind: Any = nodeid_from_binary(Buffer(message)).Identifier
        name = ObjectIdNames[kind].removesuffix("_Encoding_DefaultBinary")
        request = struct_from_binary(getattr(ua, name), Buffer(message))
        try:
            answer = await self._said(name.removesuffix("Request"), request)
        except UaStatusCodeError as error:
            answer = _fault(error.code)
        except ConnectionError:
            self._writer.close()
            return
        body = bytes(answer) if isinstance(answer, Buffer) else struct_to_binary(answer)
        if 0 < self._wire.longest_answer < len(body) and name != "PublishRequest":
            body = struct_to_binary(_fault(StatusCodes.BadResponseTooLarge))
        self._send(body, number)

    def _send(self, body: bytes, number: int) -> None:
        size = self._wire.chunk
        for begin in range(0, len(body), size):
            part, is_last = body[begin : begin + size], begin + size >= len(body)
            self._number += 1
            whole = _SYMMETRIC.pack(7, self._token, self._number, number) + part
            self._writer.write(_HEADER.pack(b"MSG", b"F" if is_last else b"C", _HEADER.size + len(whole)) + whole)

    async def _said(self, name: str, request: Any) -> Any:
        server, wire = self._wire.server, self._wire
        if name == "GetEndpoints":
            return ua.GetEndpointsResponse(Endpoints=[self._endpoint()])
        if name == "CreateSession":
            server.sessions += 1
            server.alive.add(server.sessions)
            wire.is_over(server.sessions)
            response: Any = ua.CreateSessionResponse()
            told = response.Parameters
            told.SessionId = ua.NodeId(ua.Int32(server.sessions), ua.Int16(1))
            token: Any = b"token %d" % server.sessions
            told.AuthenticationToken = ua.NodeId(token, ua.Int16(0))
            told.RevisedSessionTimeout, told.ServerNonce = wire.session_timeout, b"n" * 32
            told.ServerEndpoints = [self._endpoint()]
            return response
        session = int((request.RequestHeader.AuthenticationToken.Identifier or b"token 0").split()[1])
        if session not in server.alive or wire.is_over(session):
            server.alive.discard(session)
            raise UaStatusCodeError(StatusCodes.BadSessionIdInvalid)  # type: ignore[no-untyped-call]
        if name == "ActivateSession":
            activated: Any = ua.ActivateSessionResponse()
            activated.Parameters.ServerNonce = b"n" * 32
            return activated
        if name == "CloseSession":
            server.alive.discard(session)
            for id_ in [id_ for id_, each in server.subscriptions.items() if each.owner == session]:
                del server.subscriptions[id_]
            return ua.CloseSessionResponse()
        return await server.answer(request, session)

    def _endpoint(self) -> Any:
        token = ua.UserTokenPolicy("anonymous", ua.UserTokenType.Anonymous)
        described: Any = ua.EndpointDescription()
        described.EndpointUrl, described.SecurityMode = self._wire.url, ua.MessageSecurityMode.None_
        described.SecurityPolicyUri, described.UserIdentityTokens = _NONE, [token]
        described.TransportProfileUri = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"
        return described


def _fault(code: int) -> Any:
    fault: Any = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(code))
    return fault


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[Wire]:
    """The server at a port of its own, while a block runs."""
    wire = Wire(server)
    listener = await asyncio.start_server(wire.serve, "127.0.0.1", wire.port)
    living = asyncio.create_task(server.live())
    try:
        yield wire
    finally:
        living.cancel()
        listener.close()
        for writer in [*wire._writers]:
            writer.close()
        for task in [*wire._answering]:
            task.cancel()
