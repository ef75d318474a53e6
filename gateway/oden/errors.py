"""What a call can fail with. The class says whether the request may have taken effect, and what to do.

OdenError
├── NotSent              nothing left this machine: unreachable, a proxy refused, no token
│   └── InvalidRequest   refused here, because it breaks a rule of Oden's document
├── Refused              Oden answered, and did nothing
│   ├── BadRequest (400)  Unauthorized (401)  Forbidden (403)  NotFound (404)  NotUnique (409)
│   └── TooManyRequests (425, 429)  Unimplemented (501)
├── InDoubt              it was sent and may have taken effect: no answer, half of one, one that is not Oden's, or
│   │                    an error in a shape that Oden's document does not have
│   └── ServerFailed     the same, with Oden's own 5xx
└── UnexpectedAnswer     it did take effect, and the answer is not as documented
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from gateway.errors import GatewayError
from gateway.oden.classification import AnswerClass
from gateway.oden.models import GenericError

Certainty = Literal["not sent", "answered", "in doubt"]


class OdenError(GatewayError):
    """A call that did not succeed. The token is never part of one.

    `status` is the HTTP status, where there was an answer. `said` is the body of Oden's own answer, with `id`, `name`,
    `entity_name` and `num_matches` where the status has them. `certainty` tells whether the request was sent.
    `retryable`: trying again later can help, by Oden's own word where there is one. `may_repeat`: to send the same
    again cannot do anything twice. `retry_after` is in seconds.
    """

    certainty: ClassVar[Certainty] = "answered"
    transient: ClassVar[bool] = False

    def __init__(
        self,
        endpoint: str,
        text: str,
        *,
        status: int | None = None,
        said: GenericError | None = None,
        retryable: bool | None = None,
        may_repeat: bool = True,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{endpoint}: {text}")
        self.endpoint, self.text, self.status, self.said = endpoint, text, status, said
        self.may_repeat, self.retry_after = may_repeat, retry_after
        self.retryable = self.transient if retryable is None else retryable

    @property
    def id(self) -> str | None:
        """What Oden's support finds the failure by."""
        return getattr(self.said, "id", None)


class NotSent(OdenError):
    """Nothing has left this machine: Oden or the proxy before it cannot be reached, or there is no token."""

    certainty = "not sent"
    transient = True


class InvalidRequest(NotSent):
    """It breaks a rule of Oden's document, so it was not sent. `problems` are sentences."""

    transient = False

    def __init__(self, endpoint: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(endpoint, "; ".join(self.problems))


class Refused(OdenError):
    """Oden answered, and did nothing."""


class BadRequest(Refused):
    """400: `said.name` is the parameter that is wrong."""


class Unauthorized(Refused):
    """401: no token, or one that is not valid."""


class Forbidden(Refused):
    """403: the token is not for this."""


class NotFound(Refused):
    """404: there is no such thing. A search of which nothing fits may answer so too."""


class NotUnique(Refused):
    """409: more than one thing fits; `said.num_matches` of `said.entity_name`."""


class TooManyRequests(Refused):
    """425 or 429: Oden wants it later, after `retry_after` seconds where it says so."""

    transient = True


class Unimplemented(Refused):
    """501: Oden does not have this endpoint yet."""


class InDoubt(OdenError):
    """It was sent, and nobody knows whether it took effect: look it up before it is sent again, unless `may_repeat`."""

    certainty = "in doubt"
    transient = True


class ServerFailed(InDoubt):
    """5xx by Oden itself; `id` is for its support."""


class UnexpectedAnswer(OdenError):
    """Oden took the request, and its answer is not what the document says."""


BY_CLASS: Mapping[AnswerClass, type[OdenError] | None] = {
    AnswerClass.SUCCESS: None,
    AnswerClass.NOT_SENT: NotSent,
    AnswerClass.PROXY_REFUSED: NotSent,
    AnswerClass.THROTTLED: TooManyRequests,
    AnswerClass.BAD_REQUEST: BadRequest,
    AnswerClass.UNAUTHORIZED: Unauthorized,
    AnswerClass.FORBIDDEN: Forbidden,
    AnswerClass.NOT_FOUND: NotFound,
    AnswerClass.NOT_UNIQUE: NotUnique,
    AnswerClass.REFUSED: Refused,
    AnswerClass.FOREIGN: InDoubt,
    AnswerClass.UNIMPLEMENTED: Unimplemented,
    AnswerClass.NO_ANSWER: InDoubt,
    AnswerClass.UNREADABLE: InDoubt,
    AnswerClass.INTERCEPTED: InDoubt,
    AnswerClass.UPSTREAM_FAILED: InDoubt,
    AnswerClass.SERVER_FAILED: ServerFailed,
}
"""The error that an answer of each class is; None for a success."""
