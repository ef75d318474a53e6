"""What an HTTP response of Oden, or of something before it, says, read in one piece or in many; where none came, what
the library raised means. Pure.

An interval that goes on for weeks has more entries than are to be held at once, and what is asked of them concerns one
or two: of the list of a long answer to a search only those are held that somebody asks about.
"""

import base64
import codecs
import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace

import aiohttp

from gateway.errors import name_obstacle, obstacle
from gateway.oden.classification import Answer
from gateway.secret_forms import without

Keeps = Callable[[object], bool]
"""Whether an entry of an answer can matter. One that is not understood does."""

MOST_HELD = 8 * 2**20
"""Characters, of the entries that are kept, and of one value."""
AT_LEAST = 2**12
"""Characters that have come until it is looked for the end of a value again, at the least."""

_BLANK = " \t\n\r"
_DECODER = json.JSONDecoder()


def kept(answer: object, keeps: Keeps) -> object:
    """An answer that has come in one piece, in the same way."""
    if isinstance(answer, list):
        return [entry for entry in answer if keeps(entry)]
    if isinstance(answer, dict):
        return {name: kept(value, keeps) if isinstance(value, list) else value for name, value in answer.items()}
    return answer


class LongAnswer:
    """JSON that comes in pieces: a list, or an object around one. The lists have only the entries that `keeps`."""

    def __init__(self, keeps: Keeps) -> None:
        self._keeps = keeps
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._held = 0
        self._is_whole = False
        self._reading = self._read()
        self._answer: object = None
        next(self._reading)

    def feed(self, data: bytes) -> None:
        """Read some more. ValueError where it is no such JSON, or more is to be held than may be."""
        self._go_on(self._bytes.decode(data))

    def end(self) -> object:
        """The answer. ValueError where that was not all of it."""
        self._is_whole = True
        self._go_on(self._bytes.decode(b"", final=True))
        return self._answer

    def _go_on(self, text: str) -> None:
        self._text = self._text[self._at :] + text
        self._at = 0
        try:
            next(self._reading)
        except StopIteration as done:
            self._answer = done.value

    def _read(self) -> Generator[None, None, object]:
        yield
        first = yield from self._next()
        answer = yield from self._list() if first == "[" else self._object() if first == "{" else _no(first)
        while not self._is_whole or self._text[self._at :].strip(_BLANK):
            if self._text[self._at :].strip(_BLANK):
                raise ValueError("more comes after the end of the answer")
            yield
        return answer

    def _list(self) -> Generator[None, None, list[object]]:
        found: list[object] = []
        self._at += 1
        closed = (yield from self._next()) == "]"
        while not closed:
            value, length = yield from self._value()
            if self._keeps(value):
                found.append(value)
                self._hold(length)
            closed = yield from self._goes_on("]")
        self._at += 1
        return found

    def _object(self) -> Generator[None, None, dict[str, object]]:
        found: dict[str, object] = {}
        self._at += 1
        closed = (yield from self._next()) == "}"
        while not closed:
            name, length = yield from self._value()
            if not isinstance(name, str) or (yield from self._next()) != ":":
                raise ValueError("a field has no name")
            self._at += 1
            if (yield from self._next()) == "[":
                found[name] = yield from self._list()
            else:
                found[name], more = yield from self._value()
                length += more
            self._hold(length)
            closed = yield from self._goes_on("}")
        self._at += 1
        return found

    def _goes_on(self, end: str) -> Generator[None, None, bool]:
        """Whether what is read ends here; the comma before what comes next is read over."""
        mark = yield from self._next()
        if mark == ",":
            self._at += 1
            yield from self._next()
        elif mark != end:
            raise ValueError("a comma is missing")
        return mark == end

    def _next(self) -> Generator[None, None, str]:
        """What stands next, without blanks."""
        while True:
            text = self._text
            while self._at < len(text):
                if text[self._at] not in _BLANK:
                    return text[self._at]
                self._at += 1
            if self._is_whole:
                raise ValueError("it is not all of an answer")
            yield

    def _value(self) -> Generator[None, None, tuple[object, int]]:
        """The value that stands next, and how many characters it has."""
        tried = 0
        while True:
            there = len(self._text) - self._at
            if there >= max(AT_LEAST, 2 * tried) or self._is_whole or not tried:
                tried = there
                try:
                    value, end = _DECODER.raw_decode(self._text, self._at)
                except RecursionError:
                    raise ValueError("it is nested too deep") from None
                except ValueError:
                    if self._is_whole:
                        raise
                else:
                    # A number may go on.
                    if end < len(self._text) or self._is_whole or not isinstance(value, int | float):
                        length, self._at = end - self._at, end
                        return value, length
            if there > MOST_HELD:
                raise ValueError("a value is too long")
            yield

    def _hold(self, length: int) -> None:
        self._held += length
        if self._held > MOST_HELD:
            raise ValueError("more is to be held than may be")


def _no(first: str) -> Generator[None, None, object]:
    yield from ()
    raise ValueError(f"an answer does not begin with {first!r}")


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
_SAYS = ("error", "errors", "message", "msg", "detail", "title", "errorMessage", "error_description")
"""Where others say in the body of a failure what is wrong."""
_FAILED = {*_DOCUMENTED, *_SAYS, "code", "data", "ok", "status", "success", "type"}
"""What the one item of a list has that is no more than a failure."""
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
        own = not page and (readable or not raw) and not _denies(body)
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
    if is_success and not _denies(body):
        is_too_long = len(raw) > LARGEST_ANSWER and not readable and not page
        return f"{status} with an answer of more than {len(raw) // 2**20} MB that cannot be read" if is_too_long else ""
    return _failure_text(status, body, response.content_type, raw, page=page)


def _named_failure(body: object) -> dict[str, object] | None:
    """The object that says `error` in words: the body, or the one item of a list that says nothing else."""
    if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict) and body[0].keys() <= {*_DOCUMENTED}:
        body = body[0]
    return body if isinstance(body, dict) and isinstance(body.get("error"), str) and body["error"] else None


def _denies(body: object) -> bool:
    """Whether what came with a success says that it is none, in whatever shape."""
    if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict) and body[0].keys() <= _FAILED:
        body = body[0]
    if not isinstance(body, dict):
        return False
    failed = "id" not in body and any(body.get(name) is False for name in ("success", "ok"))
    return failed or bool(body.get("error")) or (isinstance(body.get("errors"), list | dict) and bool(body["errors"]))


def credentials(header: str | None) -> Iterator[str]:
    """What a header with a name and a password, as a proxy is given them, has that nobody may see."""
    coded = (header or "").rpartition(" ")[2]
    yield coded
    with suppress(ValueError):
        password = base64.b64decode(coded).decode("latin-1").partition(":")[2]
        yield from (password, " ".join(password.split()))  # what is told is one line


def told(text: str, token: str, *others: str) -> str:
    """What somebody says, without the token and the `others` that he was told in confidence, however he writes them."""
    for secret, shown in ((token, "(the token)"), *((other, "(a secret)") for other in others)):
        if len(secret) >= SHORTEST_TOKEN:
            text = without(text, secret, shown)
    return text


def redacted(answer: Answer, token: str, *others: str) -> Answer:
    """`answer` without the token and what else it was asked with in confidence; of a failure only what the document
    names is left.

    What is said of a failure is logged, shown and exported; there are those who say in it what they were asked with.
    """
    if not answer.error:
        return answer

    def clean(value: object) -> object:
        return told(value, token, *others) if isinstance(value, str) else value

    fields = answer.body if isinstance(answer.body, dict) else {}
    body = {key: clean(fields[key]) for key in _DOCUMENTED if isinstance(fields.get(key), str | int)}
    return replace(answer, error=told(answer.error, token, *others)[:LONGEST_ERROR], body=body or None)


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
    if isinstance(body, dict | list):
        said = _said(body)
        texts = [_said(item) for item in (said if isinstance(said, list) else [said])]
        return "; ".join(text for text in texts if isinstance(text, str))
    text = body if isinstance(body, str) else raw.decode(errors="replace") if body is None else ""
    return " ".join(text.split()) if text.replace("\n", " ").replace("\r", " ").isprintable() else ""


def _said(part: object) -> object:
    """What a part of an answer says, where it is an object that says something; else itself."""
    if not isinstance(part, dict):
        return part
    return next((part[name] for name in _SAYS if part.get(name) and isinstance(part[name], str | list | dict)), None)


def _retry_after(value: str | None) -> float | None:
    """Seconds; the date form is left aside, our own backoff serves then (RFC 9110, 10.2.3)."""
    return float(value) if value and value.isascii() and value.isdigit() else None


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
