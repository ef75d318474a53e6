"""When several records share a request, and when each is sent by itself. In memory only: a restart tries to share
again."""

from gateway.clock import Clock
from gateway.delivery.outcome import NOT_IMPLEMENTED
from gateway.model import Record
from gateway.oden.endpoints import Endpoint
from gateway.oden.requests import row_of

BULK_AGAIN = 86_400.0
"""Seconds after which bulk requests are tried again where Oden did not know them."""


class Bulk:
    """What is known of Oden's bulk requests, and which lanes send singly for now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unknown_until: dict[str, float] = {}
        self._not_found: set[str] = set()
        self._singly: dict[str, int] = {}
        self._left_out: dict[str, int] = {}

    def may_share(self, lane: str, record: Record) -> bool:
        """Whether `record`, the first of its request, may share it with others of `lane`."""
        row = row_of(record)
        endpoint = row.bulk_endpoint
        if endpoint is None or not row.can_share(record):
            return False
        if self._unknown_until.get(endpoint.path, 0.0) > self._clock.now():
            return False
        if self._singly.get(lane):
            self._singly[lane] -= 1
            return False
        return True

    def send_singly(self, lane: str, records: int) -> None:
        """The next `records` of `lane` are sent singly: one that is wrong must not take the others with it."""
        self._singly[lane] = records

    def accepted(self, endpoint: Endpoint) -> None:
        """Oden took a bulk request."""
        self._not_found.discard(endpoint.path)

    def is_unknown(self, endpoint: Endpoint, status: int) -> bool:
        """Oden answered 501 or 404: whether it does not know the endpoint. A 404 may be for one interval that is gone:
        only a second one in a row, after the first request was taken apart, says that the endpoint itself is not
        known."""
        unknown = status == NOT_IMPLEMENTED or endpoint.path in self._not_found
        self._not_found.add(endpoint.path)
        if unknown:
            self._unknown_until[endpoint.path] = self._clock.now() + BULK_AGAIN
        return unknown

    def left_out(self, lane: str, missing: int) -> None:
        """A look-up showed that `missing` records of a request are not at Oden. Twice in a row: they are sent singly,
        for one of them may be why."""
        self._left_out[lane] = self._left_out.get(lane, 0) + 1 if missing else 0
        if self._left_out[lane] > 1:
            self._singly[lane] = self._singly.get(lane, 0) + missing
