"""The faults of the Oden stand-in as data: which requests they strike, and what happens then. Pure.

A `Decision` says what becomes of one request. Whoever drives the stand-in carries it out, on sockets or in simulated
time:

1. wait `delay` seconds;
2. where `commit` is 0, let the model answer (the request takes effect);
3. show the client what `sees` says;
4. where `commit` is more than 0, let the model answer that many seconds after 3, and show the answer to nobody.

This holds for every endpoint; to a request that only reads it makes no difference whether and when it commits.

A fault is written as words, `KIND KEY=VALUE ...`, or as the JSON object with the same keys and `kind`. A new kind is a
row of `KINDS`, and a new option one of `_OPTIONS`.
"""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from gateway.errors import GatewayError
from gateway.simulator.oden.bodies import Answer, without_ids
from gateway.simulator.oden.store import derived_id

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
TEXT_TYPE = "text/plain"

SHAPES: Mapping[str, Callable[[str], str]] = {
    "message": lambda text: json.dumps({"message": text}),
    "detail": lambda text: json.dumps({"detail": [{"loc": ["body"], "msg": text, "type": "value_error"}]}),
    "text": lambda text: text,
    "framework": lambda text: json.dumps({"timestamp": "2026-11-02T08:00:00Z", "status": 404, "error": text}),
}
"""How errors look that are not in the shape of Oden's document: of API gateways, of web frameworks, of plain
servers.
"""
SUCCESSES: Mapping[str, Callable[[str], object]] = {
    "success": lambda text: {"error": text},
    "success_object": lambda text: {"error": {"code": 17, "message": text}},
    "success_false": lambda text: {"success": False, "message": text},
}
"""How a success can say that it is none."""


class FaultError(GatewayError):
    """A fault is not written as it must be; the message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as it goes to the client.

    Where `missing` is more than 0, Content-Length promises that many bytes more than `body`, and the connection closes
    after it.
    """

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Genuine:
    """The model's answer, as it is or spoilt: with another content type, without its ids, or only half of it."""

    content_type: str | None = None
    ids: bool = True
    whole: bool = True

    def of(self, reply: Reply) -> Reply:
        """`reply`, spoilt so. A table of comma-separated values keeps its ids."""
        is_table = reply.content_type != JSON_TYPE
        if self.content_type is not None:
            reply = replace(reply, content_type=self.content_type)
        if not self.ids and not is_table:
            reply = replace(reply, body=json.dumps(without_ids(json.loads(reply.body))).encode())
        if not self.whole:
            half = len(reply.body) // 2
            reply = replace(reply, body=reply.body[:half], missing=len(reply.body) - half)
        return reply


def reply_of(answer: Answer) -> Reply:
    """The model's answer as it goes to the client where no fault strikes."""
    if answer.text is not None:
        return Reply(answer.status, answer.text.encode(errors="replace"), text_type(answer))
    return Reply(answer.status, json.dumps(answer.body).encode())


def text_type(answer: Answer) -> str:
    """The content type of an answer that is no JSON."""
    return CSV_TYPE if answer.status == 200 and answer.text else TEXT_TYPE


_SWALLOWED: Mapping[str, bytes] = {"nothing": b"", "object": b"{}", "error": b'{"error": "under maintenance"}'}
"""What a success says that is none."""

Sees = Genuine | Reply | Literal["closed", "hanging"]
"""What the client gets: the model's answer, another one, a connection that is closed, or one on which nothing comes."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one request; see the module. `commit` is None where it never takes effect.

    With a `commit` of 0 it takes effect before the client sees anything, which a genuine answer needs.
    """

    delay: float = 0.0
    commit: float | None = 0.0
    sees: Sees = Genuine()


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, and to which requests. `words` is how it is listed.

    It strikes a request to the endpoint `at` (`interval/set`; `*` stands for anything) that names the line with the
    name or id `line`, has the text `holding` in its body, and arrives from `since` to before `until` (seconds on the
    driver's clock); each of these with the probability `chance`, and only the first `times` of them. A condition that
    is absent holds.
    """

    words: str
    commit: float | None
    sees: Sees = Genuine()
    latency: tuple[float, float] = (0.0, 0.0)
    at: str = "*"
    line: str | None = None
    holding: str | None = None
    since: float = 0.0
    until: float = math.inf
    chance: float = 1.0
    times: int | None = None

    @property
    def only_slow(self) -> bool:
        """Whether it leaves the answer alone, so that another fault can strike the same request."""
        return self.sees == Genuine() and self.commit == 0.0


def read_fault(text: str) -> Fault:
    """The fault that `text` describes: `KIND KEY=VALUE ...`, values with spaces in quotes."""
    try:
        kind, *options = shlex.split(text)
    except ValueError:
        raise FaultError(f"{text!r} is not a fault: write KIND KEY=VALUE ...") from None
    pairs = [option.partition("=") for option in options]
    for key, sign, _ in pairs:
        if not sign:
            raise FaultError(f"{key!r} in a fault has no value: write KEY=VALUE")
    if len({key for key, _, _ in pairs}) < len(pairs):
        raise FaultError(f"{text!r} says one thing twice")
    return make_fault(kind, **{key: value for key, _, value in pairs})


def make_fault(kind: str, /, **options: object) -> Fault:
    """The fault `kind` with `options`, as words or as plain values (`commit=5`); FaultError where one is wrong."""
    if kind not in KINDS:
        raise FaultError(f"there is no fault {kind!r}: the kinds are {', '.join(KINDS)}")
    make, own_options = KINDS[kind]
    read: dict[str, object] = {}
    for key, value in options.items():
        if key not in own_options and key not in _CONDITIONS:
            raise FaultError(f"{kind} has no {key!r}: it has {', '.join([*own_options, *_CONDITIONS])}")
        try:
            read[key] = _OPTIONS[key].read(_text(value))
        except (ValueError, TypeError):
            raise FaultError(f"{value!r} is no value for {key}: {_OPTIONS[key].expected}") from None
    own = {key: value for key, value in read.items() if key in own_options}
    conditions = {key: value for key, value in read.items() if key in _CONDITIONS}
    words = " ".join([kind, *(f"{key}={shlex.quote(_text(value))}" for key, value in options.items())])
    return replace(make(own, words), **conditions)  # type: ignore[arg-type] # each option is read as the field's type


# --- what happens, by kind

_Options = Mapping[str, object]


def _latency(options: _Options, words: str) -> Fault:
    if "seconds" not in options:
        raise FaultError("latency needs seconds=S, or seconds=LOW..HIGH for a time by chance")
    return Fault(words, 0.0, latency=options["seconds"])  # type: ignore[arg-type] # _range read it


def _error(options: _Options, words: str) -> Fault:
    status = int(str(options.get("status", 500)))
    if status < 400:
        raise FaultError(f"{status} is no error: error needs a status from 400 to 599")
    body = {"error": "the stand-in was told to fail", "retryable": options.get("retryable", False)}
    if status == 400:
        body["name"] = "body"
    elif status == 409:
        body |= {"entity_name": "interval", "num_matches": 2}
    elif status == 500:
        body["id"] = derived_id("error", words)
    retry_after = options.get("retry_after")
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Fault(words, _commit(options), Reply(status, json.dumps(body).encode(), headers=headers))


def _foreign(options: _Options, words: str) -> Fault:
    shape, status = str(options.get("shape", "message")), int(str(options.get("status", 404)))
    body = SHAPES[shape]("no Route matched with those values")
    content_type = TEXT_TYPE if shape == "text" else JSON_TYPE
    return Fault(words, _commit(options), Reply(status, body.encode(), content_type))


def _swallow(options: _Options, words: str) -> Fault:
    body = _SWALLOWED[str(options.get("as", "nothing"))]
    return Fault(words, _commit(options), Reply(200, body))


def _html(options: _Options, words: str) -> Fault:
    status = int(str(options.get("status", 502)))
    headers = (("Proxy-Authenticate", 'Basic realm="factory"'),) if status == 407 else ()
    page = (
        f"<html><head><title>{status}</title></head><body>Something between you and Oden says {status}.</body></html>"
    )
    return Fault(words, _commit(options), Reply(status, page.encode(), "text/html", headers))


def _redirect(options: _Options, words: str) -> Fault:
    return Fault(words, None, Reply(302, b"", "text/html", (("Location", str(options.get("to", "/login"))),)))


def _hang(options: _Options, words: str) -> Fault:
    return Fault(words, _commit(options), "hanging")


def _close(options: _Options, words: str) -> Fault:
    return Fault(words, _commit(options), "closed")


def _truncated(_what: _Options, words: str) -> Fault:
    return Fault(words, 0.0, Genuine(whole=False))


def _content_type(options: _Options, words: str) -> Fault:
    return Fault(words, 0.0, Genuine(content_type=str(options.get("type", "text/plain"))))


def _no_id(_what: _Options, words: str) -> Fault:
    return Fault(words, 0.0, Genuine(ids=False))


def _commit(options: _Options) -> float | None:
    return options.get("commit")  # type: ignore[return-value] # _commit_after read it


KINDS: Mapping[str, tuple[Callable[[_Options, str], Fault], tuple[str, ...]]] = {
    "latency": (_latency, ("seconds",)),
    "error": (_error, ("status", "retryable", "retry_after", "commit")),
    "foreign": (_foreign, ("status", "shape", "commit")),
    "swallow": (_swallow, ("as", "commit")),
    "html": (_html, ("status", "commit")),
    "redirect": (_redirect, ("to",)),
    "hang": (_hang, ("commit",)),
    "close": (_close, ("commit",)),
    "truncated": (_truncated, ()),
    "content_type": (_content_type, ("type",)),
    "no_id": (_no_id, ()),
}
"""Kind -> what makes the fault of its own options and words, and the names of these options."""


# --- the options of all kinds, and how they are read


def _text(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _range(text: str) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    result = (seconds(low), seconds(high if dots else low))
    if result[1] < result[0]:
        raise ValueError(text)
    return result


def seconds(text: str) -> float:
    """The seconds that `text` says. ValueError where these are none."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _commit_after(text: str) -> float | None:
    return {"no": None, "yes": 0.0}[text] if text in {"no", "yes"} else seconds(text)


def _yes(text: str) -> bool:
    if text.lower() not in {"yes", "no", "true", "false"}:
        raise ValueError(text)
    return text.lower() in {"yes", "true"}


def _probability(text: str) -> float:
    value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _status(text: str) -> int:
    value = int(text)
    if not 200 <= value <= 599 or value in {204, 205, 304}:
        raise ValueError(text)
    return value


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _swallowed(text: str) -> str:
    if text not in _SWALLOWED:
        raise ValueError(text)
    return text


def _shape(text: str) -> str:
    if text not in SHAPES:
        raise ValueError(text)
    return text


def _header(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError(text)
    return text


def _endpoint(text: str) -> str:
    if not re.fullmatch(r"[a-z_*]+(/[a-z_*]+)?", text):
        raise ValueError(text)
    return text


class _Option(NamedTuple):
    """How the text of an option is read, by what raises ValueError, and what is expected there."""

    read: Callable[[str], object]
    expected: str


_OPTIONS: Mapping[str, _Option] = {
    "seconds": _Option(_range, "seconds such as 0.5, or 0.1..3 for a time by chance"),
    "status": _Option(_status, "an HTTP status from 200 to 599 that comes with a body"),
    "as": _Option(_swallowed, f"one of {', '.join(_SWALLOWED)}"),
    "shape": _Option(_shape, f"one of {', '.join(SHAPES)}"),
    "retryable": _Option(_yes, "yes or no"),
    "retry_after": _Option(_count, "whole seconds, 1 or more"),
    "commit": _Option(_commit_after, "no, yes, or the seconds after the answer at which the request takes effect"),
    "to": _Option(_header, "an address, without spaces"),
    "type": _Option(_header, "a content type such as text/plain"),
    "at": _Option(_endpoint, "an endpoint such as interval/set, with * for anything"),
    "line": _Option(_not_empty, "a line's name or id"),
    "holding": _Option(_not_empty, "a text that the body must hold"),
    "since": _Option(seconds, "seconds, 0 or more"),
    "until": _Option(seconds, "seconds, 0 or more"),
    "chance": _Option(_probability, "a probability such as 0.2 or 20%"),
    "times": _Option(_count, "a whole number, 1 or more"),
}
_CONDITIONS = ("at", "line", "holding", "since", "until", "chance", "times")
"""The options that every kind has: which requests the fault strikes."""
