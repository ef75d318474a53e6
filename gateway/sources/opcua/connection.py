"""What a source needs of a session with a server, however it comes by it."""

from typing import Protocol

from gateway.health import KindName
from gateway.sources.opcua.services import Link


class Connection(Link, Protocol):
    """What a source needs of a session: see `Channel`."""

    @property
    def session_timeout(self) -> float:
        """Seconds without a request from us after which the server drops the session, as it has decided."""

    @property
    def alternatives(self) -> bool:
        """Whether there are other servers that have the same."""

    @property
    def certificate_ends(self) -> float | None:
        """When the first certificate ends by which the session is protected, in seconds since 1970."""

    def concerns(self, now: float) -> dict[KindName, str]:
        """What is wrong with the session although it works, by kind of problem."""

    async def open(self, now: float) -> None:
        """Connect, and begin a session, at `now` (seconds since 1970); the one before is ended where the server still
        has it. Raises SourceError."""

    async def resume(self, now: float) -> bool:
        """Connect, and take up the session of before. False: the server has it no more, so a new one has begun. Raises
        SourceError."""

    async def is_ill(self, now: float) -> bool:
        """Whether another server is to be chosen: this one says that it is less well than when it was, or it never was
        well, and another is better. Raises SourceError."""

    async def heed_files(self, now: float) -> None:
        """Take what has changed of the files that protect the session. Raises SourceError where it cannot go on:
        LinkLost where another is to be begun, to which what is watched can be moved."""

    async def keep(self) -> None:
        """Do what must be done in time so that the connection stands, for ever. Raises LinkLost where that fails."""

    def drop(self) -> None:
        """End the connection and leave the session to be taken up again."""

    async def close(self) -> None:
        """End session and connection, whatever state they are in."""
