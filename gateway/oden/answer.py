"""What became of one request, and what an HTTP response of Oden, or of something before it, says. Pure."""

import json
from dataclasses import dataclass, replace

import aiohttp

LARGEST_ANSWER = 8 * 2**20
"""Bytes; a longer answer counts as unreadable."""
SHORTEST_TOLD = 8
"""Characters of a token that is looked for in answers; a shorter one is no secret, and would be found in words."""

_TOLD = ("error", "retryable", "name", "id", "entity_name", "num_matches")
"""What the document names in the body of a failure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    `sent` is False only where certainly no byte of the request left. `status` is None where no answer came; then `error`
    says what happened. `body` is the parsed JSON, `readable` says that there was one. `own` is whether Oden itself answered, as
    opposed to a proxy, a portal or a load balancer. `retry_after` is in seconds. `detail` is the library's own text, for the log.
    """

    sent: bool
    seconds: float
    status: int | None = None
    body: object = None
    readable: bool = False
    empty: bool = False
    own: bool = False
    retry_after: float | None = None
    error: str = ""
    detail: str = ""


def read(response: aiohttp.ClientResponse, raw: bytes, seconds: float, *, text: bool = False) -> Answer:
    """The answer that `response` with the body `raw` is; `text`: a success holds text, such as CSV, and no JSON."""
    status = response.status
    success = 200 <= status < 300
    body, readable = _text(raw) if text and success else _parse(raw)
    said = isinstance(body, dict) and isinstance(body.get("error"), str)
    html = "html" in response.content_type
    own = (success and not html and (readable or not raw)) or (status >= 400 and said)
    return Answer(
        sent=True,
        seconds=seconds,
        status=status,
        body=body,
        readable=readable,
        empty=not raw,
        own=own,
        retry_after=_retry_after(response.headers.get("Retry-After")),
        error="" if success else _told(status, body, response.content_type),
    )


def without(answer: Answer, token: str) -> Answer:
    """`answer` without the token, however it was written there; of a failure only what the document names is left.

    What is said of a failure is logged, shown and exported.
    """
    if not answer.error:
        return answer

    def clean(value: object) -> object:
        shown = isinstance(value, str) and len(token) >= SHORTEST_TOLD
        return value.replace(token, "(the token)") if shown and isinstance(value, str) else value

    said = answer.body if isinstance(answer.body, dict) else {}
    body = {key: clean(said[key]) for key in _TOLD if isinstance(said.get(key), str | int)}
    return replace(answer, error=str(clean(answer.error)), body=body or None)


def _parse(raw: bytes) -> tuple[object, bool]:
    if len(raw) > LARGEST_ANSWER:
        return None, False
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):  # not JSON, or nested deeper than anything of Oden's
        return None, False


def _text(raw: bytes) -> tuple[object, bool]:
    if len(raw) > LARGEST_ANSWER:
        return None, False
    try:
        return raw.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return None, False


def _told(status: int, body: object, content_type: str) -> str:
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        name = f" ({body['name']})" if isinstance(body.get("name"), str) else ""
        return f"{status}: {body['error']}{name}"[:500]
    return f"{status} with {content_type}, not an answer of Oden's"


def _retry_after(value: str | None) -> float | None:
    """Seconds; the date form is left aside, our own backoff serves then (RFC 9110, 10.2.3)."""
    return float(value) if value and value.isdigit() else None
