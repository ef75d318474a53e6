"""What an HTTP response of Oden, or of something before it, says; where none came, what the library raised means.
Pure."""

import json
import re
from dataclasses import replace

import aiohttp

from gateway.errors import name_obstacle, obstacle
from gateway.oden.classification import Answer
from gateway.oden.long_answer import Keeps, kept

LARGEST_ANSWER = 8 * 2**20
"""Bytes; a longer answer counts as unreadable, unless only some of it is kept."""
SHORTEST_TOKEN = 8
"""Characters of a token that is looked for in answers; a shorter one is no secret, and would be found in words."""

UNREACHABLE = "Oden cannot be reached"
"""How every reason begins where certainly nothing has left this machine."""

LONGEST_ERROR = 500
"""Characters of what an answer says that are kept."""

_DOCUMENTED = ("error", "retryable", "name", "id", "entity_name", "num_matches")
"""What the document names in the body of a failure."""
_SAYS = ("error", "message", "detail", "title", "errorMessage", "error_description")
"""Where others say in the body of a failure what is wrong."""
_PAGE = re.compile(rb"\s*<(!doctype html|html|head|body|\?xml)", re.IGNORECASE)


def read_response(
    response: aiohttp.ClientResponse,
    raw: bytes,
    seconds: float,
    *,
    text: bool = False,
    keeps: Keeps | None = None,
    long: object = None,
) -> Answer:
    """The answer that `response` with the body `raw` is; `text`: a success holds text, such as CSV, and no JSON.

    Of a list only the entries that it `keeps` are in the answer. `long` is what a body says of which `raw` is only the
    beginning, because it has more than LARGEST_ANSWER bytes; None where that is not known.
    """
    status = response.status
    success = 200 <= status < 300
    is_long = len(raw) > LARGEST_ANSWER
    body, readable = (long, long is not None) if is_long else _text(raw) if text and success else _parse(raw)
    if success and keeps is not None and not is_long:
        body = kept(body, keeps)
    failure = _named_failure(body)
    page = "html" in response.content_type or _PAGE.match(raw) is not None
    if success:
        own = not page and (readable or not raw) and failure is None
    elif status < 500:
        own = status >= 400 and failure is not None and isinstance(failure.get("retryable"), bool)
    else:
        own = failure is not None
    # 407 is always a proxy's; 3xx and 5xx say for themselves what they are.
    foreign = not own and not page and status != 407 and (success or 400 <= status < 500)
    return Answer(
        sent=True,
        seconds=seconds,
        status=status,
        body=body,
        readable=readable,
        empty=not raw,
        own=own,
        foreign=foreign,
        retry_after=_retry_after(response.headers.get("Retry-After")),
        error=_error(response, raw, body, readable=readable, page=page),
    )


def _error(response: aiohttp.ClientResponse, raw: bytes, body: object, *, readable: bool, page: bool) -> str:
    """Why it is no success; empty where it can be one."""
    status, is_success = response.status, 200 <= response.status < 300
    if is_success and _named_failure(body) is None:
        is_too_long = len(raw) > LARGEST_ANSWER and not readable and not page
        return f"{status} with an answer of more than {len(raw) // 2**20} MB that cannot be read" if is_too_long else ""
    return _failure_text(status, body, response.content_type, raw, page=page)


def _named_failure(body: object) -> dict[str, object] | None:
    """The object that says `error` in words: the body, or the one item of a list that says nothing else."""
    if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict) and body[0].keys() <= {*_DOCUMENTED}:
        body = body[0]
    return body if isinstance(body, dict) and isinstance(body.get("error"), str) and body["error"] else None


def redacted(answer: Answer, token: str) -> Answer:
    """`answer` without the token, however it was written there; of a failure only what the document names is left.

    What is said of a failure is logged, shown and exported.
    """
    if not answer.error:
        return answer

    def clean(value: object) -> object:
        shown = isinstance(value, str) and len(token) >= SHORTEST_TOKEN
        return value.replace(token, "(the token)") if shown and isinstance(value, str) else value

    fields = answer.body if isinstance(answer.body, dict) else {}
    body = {key: clean(fields[key]) for key in _DOCUMENTED if isinstance(fields.get(key), str | int)}
    return replace(answer, error=str(clean(answer.error))[:LONGEST_ERROR], body=body or None)


def _parse(raw: bytes) -> tuple[object, bool]:
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):  # not JSON, or nested deeper than anything of Oden's
        return None, False


def _text(raw: bytes) -> tuple[object, bool]:
    try:
        return raw.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return None, False


def _failure_text(status: int, body: object, content_type: str, raw: bytes, *, page: bool) -> str:
    """What a failure says. It is shortened once it is cleaned: half a token is one too."""
    failure = _named_failure(body)
    if failure is not None:
        name = f" ({failure['name']})" if isinstance(failure.get("name"), str) else ""
        return f"{status}: {failure['error']}{name}"
    words = "" if page else _words(body, raw)
    return f"{status} with {content_type}{': ' + words if words else ''}, not an answer of Oden's"


def _words(body: object, raw: bytes) -> str:
    """What an answer of another shape than Oden's says: one text of it, never all that is in it."""
    if isinstance(body, dict):
        said = next((body[name] for name in _SAYS if body.get(name)), None)
        items = said if isinstance(said, list) else [said]
        texts = [item.get("msg") if isinstance(item, dict) else item for item in items]
        return "; ".join(text for text in texts if isinstance(text, str))
    text = body if isinstance(body, str) else raw.decode(errors="replace") if body is None else ""
    return " ".join(text.split()) if text.replace("\n", " ").replace("\r", " ").isprintable() else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds; the date form is left aside, our own backoff serves then (RFC 9110, 10.2.3)."""
    return float(value) if value and value.isdigit() else None


def why_no_answer(error: Exception, *, sent: bool) -> str:
    """What `error` means; `sent` is whether the request may have left this machine."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{UNREACHABLE} (the proxy refused: {error.status} {error.message})"
    if not sent:
        return f"{UNREACHABLE} ({_obstacle(error)})"
    if isinstance(error, TimeoutError):
        return "Oden did not answer in time"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what answered does not speak HTTP"
    return "the connection was cut before the whole answer had come"


def _obstacle(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy does not answer: {obstacle(cause)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return name_obstacle(cause)
    return obstacle(cause)
