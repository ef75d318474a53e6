"""What the library and the network raise, as the errors of sources."""

from collections.abc import Iterator
from contextlib import contextmanager

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.errors import SourceError, obstacle
from gateway.sources.opcua.services import LinkLost

SESSION_GONE = frozenset(  # its subscriptions may be there
    {
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionNotActivated,
        StatusCodes.BadSecureChannelIdInvalid,
    }
)
"""The answers by which a server says that it has no such session."""


@contextmanager
def in_session() -> Iterator[None]:
    """The answer that the server knows no such session becomes LinkLost, whatever it was that was asked."""
    try:
        yield
    except UaStatusCodeError as error:
        if error.code in SESSION_GONE:
            name = ua.StatusCode(ua.UInt32(error.code)).name
            raise LinkLost(f"the server has ended the session ({name})") from None
        raise


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Errors of the library and of what a server sends become SourceError, those of the network LinkLost."""
    try:
        yield
    except OSError as error:
        raise LinkLost(f"{doing}: {reason_of(error)}") from error
    except (UaError, ValueError) as error:
        raise SourceError(f"{doing}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """`error` in words."""
    return obstacle(error) if isinstance(error, OSError | UnicodeError) else str(error) or type(error).__name__
