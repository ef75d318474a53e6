"""The client that a configuration describes: the running gateway's, and that of a command while none runs."""

from gateway.config.loader import Loaded
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace


def configured(loaded: Loaded, now: float) -> OdenClient:
    """The client for Oden as `loaded` has it. Its pace begins at `now`, on the monotonic clock."""
    oden = loaded.config.oden
    return OdenClient(
        oden.url,
        loaded.token_source,
        oden.timeout,
        Pace(now, 1.0 / oden.rate),
        ca=oden.ca,
        proxy=oden.proxy.get_secret_value() if oden.proxy else None,
    )
