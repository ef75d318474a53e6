"""What can be done on the page, and who may: the commands of `oden-gateway outbox` by which a person decides something.

`POST /api/actions/{action}` with a JSON object and the token of `status.actions_token` in the header HEADER; the
answer is a JSON object, with `error` where nothing was done. A browser sends such a header only to the page's own
origin, so that no web site can act through somebody's browser. Over plain HTTP, where others could read the token,
nothing is done but for a program on this machine. The commands are those of the control socket, and logged there.
"""

import hmac
import ipaddress
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import GatewayError
from gateway.outbox.control_handlers import QUESTION, Question
from gateway.outbox.listing import Filter

log = structlog.get_logger()

HEADER = "X-Oden-Gateway-Token"
MOST_BODY = 64 * 1024
"""Bytes of a request."""
MOST_KEYS = 100
"""Records that one request names."""

Ask = Callable[[str, object], AsyncGenerator[dict[str, object], None]]
"""A command's name and its question -> the answer, item by item."""

Key = Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")]


class Asked(BaseModel):
    """The body of a request: which records, and what a person says beside."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    keys: list[Key] = Field([], max_length=MOST_KEYS)
    dry: bool = False
    oden_id: str | None = Field(None, min_length=1, max_length=200)
    reason: str = Field("", max_length=200)


def _named(asked: Asked, by: str) -> Question:
    """About some records, at least one."""
    if not asked.keys:
        raise ValueError("`keys` must name at least one record")
    return Question(Filter(keys=frozenset(asked.keys)), dry=asked.dry, oden_id=asked.oden_id, by=by)


def _single(asked: Asked, by: str) -> Question:
    """About one record."""
    if len(asked.keys) != 1:
        raise ValueError("`keys` must name one record")
    return _named(asked, by)


def _general(asked: Asked, by: str) -> Question:
    """About the outbox as a whole."""
    if asked.keys:
        raise ValueError("this is not about records: leave out `keys`")
    return Question(reason=asked.reason, by=by)


def _acknowledging(asked: Asked, by: str) -> Question:
    return Question(acknowledge=True, by=_general(asked, by).by)


ACTIONS: Mapping[str, tuple[str, Callable[[Asked, str], Question]]] = {
    "retry": ("retry", _named),
    "retry_all": ("retry", _general),
    "drop": ("drop", _named),
    "settle": ("settle", _single),
    "acknowledge": ("verify", _acknowledging),
    "pause": ("pause", _general),
    "resume": ("resume", _general),
}
"""By the name of an action, the command that it is, and how its question is made."""


def is_safe(request: web.BaseRequest) -> bool:
    """Whether nobody on the way could have read what was asked: it came by TLS or from this machine, there also through
    a web server that says that it was asked by TLS."""
    if request.secure:
        return True
    try:
        address = ipaddress.ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    is_own = (getattr(address, "ipv4_mapped", None) or address).is_loopback
    forwarded = request.headers.get("X-Forwarded-Proto", "https") == "https" and "Forwarded" not in request.headers
    return is_own and forwarded


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser that sent these was on this page; who sends no Origin is no browser."""
    origin = headers.get("Origin")
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    return origin is None or origin.partition("://")[2] == headers.get("Host", "")


class Actions:
    """Carries out what may be: nothing without a `token`. `ask` is the way to who holds the outbox."""

    def __init__(self, token: str | None = None, ask: Ask | None = None) -> None:
        self._token, self._ask = token, ask

    def why_not(self, request: web.BaseRequest) -> str | None:
        """Why nothing can be done by this way, whatever the token; None where something can."""
        if self._token is None or self._ask is None:
            return "Nothing can be changed on the page: the configuration has no `status.actions_token`."
        if not is_safe(request):
            return "Over plain HTTP nothing can be changed but on the gateway's own machine: set `status.tls`."
        return None

    async def possible(self, request: web.Request) -> web.Response:
        """What can be done, for the page."""
        why = self.why_not(request)
        return web.json_response({"actions": [] if why else [*ACTIONS], "why_not": why})

    async def act(self, request: web.Request) -> web.Response:
        """Do it."""
        ask, refused = self._ask, self._refused(request)
        if ask is None or refused is not None:
            status, why = refused or (403, "")
            log.info("action_refused", status=status, remote=request.remote)
            return _error(status, why)
        named = ACTIONS.get(request.match_info["action"])
        if named is None:
            return _error(404, f"There is no such action; there are {', '.join(ACTIONS)}.")
        command, question_of = named
        try:
            asked = Asked.model_validate_json(await request.read())
            question = question_of(asked, f"the page, from {request.remote}")
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"More than {MOST_BODY} bytes.")
        except ValidationError as error:
            return _error(400, "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
        except ValueError as error:
            return _error(400, str(error))
        said: dict[str, object] = {}
        try:
            async for item in ask(command, QUESTION.dump_python(question, mode="json")):
                said = item
        except GatewayError as error:
            return _error(409, str(error))
        return web.json_response(said)

    def _refused(self, request: web.Request) -> tuple[int, str] | None:
        why = self.why_not(request)
        if why is not None:
            return 403, why
        if not is_same_origin(request.headers):
            return 403, "Only the page itself can ask for this."
        if request.content_type != "application/json":
            return 415, "Send JSON (Content-Type: application/json)."
        said = request.headers.get(HEADER, "").encode(errors="replace")
        if not hmac.compare_digest(said, (self._token or "").encode()):
            return 401, f"The token of `status.actions_token` is not in the header {HEADER}, or is another."
        return None


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
