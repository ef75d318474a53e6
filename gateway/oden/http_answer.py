"""What an HTTP response of Oden, or of something before it, says; where none came, what the library raised means.
Pure."""

import errno
import json
import re
import socket
import ssl
from dataclasses import replace

import aiohttp

from gateway.oden.classification import Answer

LARGEST_ANSWER = 8 * 2**20
"""Bytes; a longer answer counts as unreadable."""
SHORTEST_TOKEN = 8
"""Characters of a token that is looked for in answers; a shorter one is no secret, and would be found in words."""

UNREACHABLE = "Oden cannot be reached"
"""How every reason begins where certainly nothing has left this machine."""

_ERRNO_TEXTS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection cut",
    errno.ECONNABORTED: "connection cut",
    errno.EPIPE: "connection cut",
    errno.ENETUNREACH: "no route",
    errno.ENETDOWN: "no route",
    errno.EHOSTUNREACH: "no route",
    errno.EHOSTDOWN: "no route",
    errno.ETIMEDOUT: "timed out",
    errno.EACCES: "blocked on this machine",
    errno.EPERM: "blocked on this machine",
}

_CERTIFICATE_TEXTS = {
    9: "its certificate is not valid yet: is the clock right?",
    10: "its certificate has expired",
    62: "its certificate is for another host",
    64: "its certificate is for another host",
}
"""By X509_V_ERR_…, the verification codes of OpenSSL (X509_STORE_CTX_get_error(3)); all others: not trusted."""

_DOCUMENTED = ("error", "retryable", "name", "id", "entity_name", "num_matches")
"""What the document names in the body of a failure."""


def read_response(response: aiohttp.ClientResponse, raw: bytes, seconds: float, *, text: bool = False) -> Answer:
    """The answer that `response` with the body `raw` is; `text`: a success holds text, such as CSV, and no JSON."""
    status = response.status
    success = 200 <= status < 300
    body, readable = _text(raw) if text and success else _parse(raw)
    names_error = isinstance(body, dict) and isinstance(body.get("error"), str)
    html = "html" in response.content_type
    own = (success and not html and (readable or not raw)) or (status >= 400 and names_error)
    return Answer(
        sent=True,
        seconds=seconds,
        status=status,
        body=body,
        readable=readable,
        empty=not raw,
        own=own,
        retry_after=_retry_after(response.headers.get("Retry-After")),
        error="" if success else _failure_text(status, body, response.content_type),
    )


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


def _failure_text(status: int, body: object, content_type: str) -> str:
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        name = f" ({body['name']})" if isinstance(body.get("name"), str) else ""
        return f"{status}: {body['error']}{name}"[:500]
    return f"{status} with {content_type}, not an answer of Oden's"


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
        return f"the proxy does not answer: {_cause_text(cause)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _name_text(cause)
    return _cause_text(cause)


def _cause_text(cause: Exception) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _CERTIFICATE_TEXTS.get(cause.verify_code, "its certificate is not trusted")
    if isinstance(cause, ssl.SSLError):
        return "no secure connection: the other side does not speak TLS as it should"
    if isinstance(cause, socket.gaierror):
        return _name_text(cause)
    if isinstance(cause, TimeoutError):
        return "timed out"
    # Where a name has several addresses that fail differently, only the text of the error still has their numbers.
    code = cause.errno if isinstance(cause, OSError) else None
    codes = [code] if code is not None else map(int, re.findall(r"\[Errno (\d+)\]", str(cause)))
    words = dict.fromkeys(_ERRNO_TEXTS[code] for code in codes if code in _ERRNO_TEXTS)
    return ", ".join(words) or "no connection"


def _name_text(cause: Exception) -> str:
    if isinstance(cause, OSError) and cause.errno == socket.EAI_AGAIN:
        return "name not found: no name server answers"
    return "name not found"
