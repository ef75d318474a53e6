"""What became of one request, and which class of answer that is: the one reading that everything else follows from.

From the class follow the errors of the typed client (`gateway.oden.errors`) and what delivery does with a record
(`gateway.delivery.outcome`). Pure.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.oden.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    `sent` is False only where certainly no byte of the request left. `status` is None where no answer came; then
    `error` says what happened. `body` is the parsed JSON, `readable` says that there was one, `empty` that there was no
    body. `own` is whether Oden itself answered, as opposed to a proxy, a portal or a load balancer; `foreign` that it
    cannot be told: the shape is not as documented, and it is no web page. `retry_after` is in seconds. `detail` is the
    library's own text, for the log. `date` is the `Date` of an answer over TLS that was verified; empty where
    it has none, None where it came without such TLS.
    """

    sent: bool
    seconds: float
    status: int | None = None
    body: object = None
    readable: bool = False
    empty: bool = False
    own: bool = False
    foreign: bool = False
    retry_after: float | None = None
    error: str = ""
    detail: str = ""
    date: str | None = None
    request: str = field(default="", compare=False)
    """What the request is called in the log: Oden's document has no place for it."""


class AnswerClass(Enum):
    """What an answer says of the request: whether it took effect, or who refused it."""

    SUCCESS = auto()
    """2xx by Oden, with readable JSON where the endpoint must answer with some."""
    NOT_SENT = auto()
    """No byte of the request has left this machine."""
    PROXY_REFUSED = auto()
    """407: a proxy did not pass the request on."""
    THROTTLED = auto()
    """425 or 429, whoever answered: nothing was done, later it may be."""
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    """404 by Oden: there is no such thing, or a search of which nothing fits."""
    BAD_REQUEST = auto()
    NOT_UNIQUE = auto()
    REFUSED = auto()
    """Any other 4xx by Oden."""
    FOREIGN = auto()
    """4xx, or 2xx with an error, in a shape that the document does not have: by Oden, or by what stands before it."""
    UNIMPLEMENTED = auto()
    """501 by Oden: it does not have the endpoint."""
    NO_ANSWER = auto()
    """It was sent, and no answer came, or only a part of one."""
    UNREADABLE = auto()
    """2xx where JSON must come and none could be read, and no web page either."""
    INTERCEPTED = auto()
    """Something between here and Oden answered: a redirect, a portal, an error page."""
    UPSTREAM_FAILED = auto()
    """408, or 5xx by something before Oden: the request may have reached Oden."""
    SERVER_FAILED = auto()
    """5xx by Oden itself."""


_REFUSALS = {
    400: AnswerClass.BAD_REQUEST,
    401: AnswerClass.UNAUTHORIZED,
    403: AnswerClass.FORBIDDEN,
    404: AnswerClass.NOT_FOUND,
    409: AnswerClass.NOT_UNIQUE,
}


def classify(endpoint: Endpoint, answer: Answer) -> AnswerClass:
    """The class of `answer` to a request to `endpoint`."""
    status = answer.status
    if not answer.sent:
        return AnswerClass.NOT_SENT
    if status is None:
        return AnswerClass.NO_ANSWER
    if 200 <= status < 300:
        if answer.foreign:
            return AnswerClass.FOREIGN if answer.readable else AnswerClass.UNREADABLE
        if not answer.own:
            return AnswerClass.INTERCEPTED
        return AnswerClass.SUCCESS if answer.readable or not endpoint.answers_json else AnswerClass.UNREADABLE
    if status in (425, 429):
        return AnswerClass.THROTTLED
    if answer.foreign and status != 408:
        return AnswerClass.UNAUTHORIZED if status == 401 else AnswerClass.FOREIGN
    if status == 408 or (status >= 500 and not answer.own):
        return AnswerClass.UPSTREAM_FAILED
    if status >= 500:
        return AnswerClass.UNIMPLEMENTED if status == 501 else AnswerClass.SERVER_FAILED
    if not answer.own or status < 400:
        return AnswerClass.PROXY_REFUSED if status == 407 else AnswerClass.INTERCEPTED
    return _REFUSALS.get(status, AnswerClass.REFUSED)


def says_retryable(answer: Answer) -> bool | None:
    """Oden's own word on whether the same request may be taken later; None where it gives none.

    Only JSON's true and false count: a text or a number is not what the document has there.
    """
    word = answer.body.get("retryable") if answer.own and isinstance(answer.body, dict) else None
    return word if isinstance(word, bool) else None


def explanation(answer: Answer) -> str:
    """Why `answer` is no success, in words for a person."""
    success = answer.status is not None and 200 <= answer.status < 300
    if success and not answer.error and (answer.own or answer.foreign):
        return f"{answer.status} without readable JSON"
    if answer.foreign:
        return answer.error
    if answer.status is not None and not answer.own and answer.sent:
        text = f"{answer.status}, not Oden's JSON" if success else answer.error
        return f"something between here and Oden answered: {text}"
    return answer.error or str(answer.status)
