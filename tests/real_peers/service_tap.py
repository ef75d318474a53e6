"""A tap that reads which services of an OPC UA server are asked for, whoever made the server."""

from collections import Counter
from collections.abc import Iterator

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary

from tests.real_peers.tap import TO_PEER, ByteTap, Connection, Direction, Pieces
from tests.sources.opcua.story import ONLY_READING

_ENCODED = "Request_Encoding_DefaultBinary"
SERVICES = {number: name.removesuffix(_ENCODED) for name, number in vars(ObjectIds).items() if name.endswith(_ENCODED)}
"""Services by the number of the type of their requests, in the bytes of the standard."""
REFRESHES = {3875, 12912}
"""The methods of conditions that only ask for their states."""
ALLOWED = ONLY_READING | {"CreateSession", "ActivateSession", "CloseSession", "GetEndpoints"}
"""What changes nothing in a plant."""

_TYPE = 24  # bytes of a chunk ahead of the request: message 8, channel 4, token 4, sequence 4, request 4


class Chunks(Pieces):
    """Cuts a direction into the chunks of Part 6, 6.7.2."""

    def __init__(self) -> None:
        self._held = b""

    def split(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        while len(self._held) >= 8 and len(self._held) >= (size := int.from_bytes(self._held[4:8], "little")):
            piece, self._held = self._held[:size], self._held[size:]
            yield piece


class ServiceTap(ByteTap):
    """`asked` are the services that the gateway has asked for, and how often; for connections without security. A
    refresh of conditions is a `ConditionRefresh`, and no `Call`."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.asked: Counter[str] = Counter()
        self._begun: set[tuple[int, bytes]] = set()

    def _pieces(self, connection: Connection, direction: Direction) -> Pieces:
        return Chunks() if direction is TO_PEER else super()._pieces(connection, direction)

    async def _judge(self, connection: Connection, direction: Direction, piece: bytes) -> bool:
        request = connection.number, piece[20:24]
        if direction is TO_PEER and piece[:3] == b"MSG":
            if request not in self._begun:  # else it goes on with one that takes several chunks
                self.asked[_service(piece)] += 1
            self._begun.add(request)
            if piece[3:4] == b"F":
                self._begun.discard(request)
        return True


def _service(piece: bytes) -> str:
    """The name of the service that a first chunk asks for."""
    assert piece[_TYPE : _TYPE + 2] == b"\x01\x00", "requests are of types of the standard"
    name = SERVICES[int.from_bytes(piece[_TYPE + 2 : _TYPE + 4], "little")]
    if name == "Call":
        called = struct_from_binary(ua.CallRequest, Buffer(piece[_TYPE:])).Parameters.MethodsToCall
        if all(each.MethodId.Identifier in REFRESHES for each in called):
            return "ConditionRefresh"
    return name
