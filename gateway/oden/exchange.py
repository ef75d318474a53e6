"""From a typed request to the text that is sent, and from an answer to what was asked for, or to the error that it is. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError

from gateway.oden.answer import Answer
from gateway.oden.endpoints import Call, Endpoint, Gives, Takes
from gateway.oden.errors import (
    BadRequest,
    Forbidden,
    InDoubt,
    InvalidRequest,
    NotFound,
    NotSent,
    NotUnique,
    OdenError,
    Refused,
    ServerFailed,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    Unimplemented,
)
from gateway.oden.models import (
    ANSWER,
    GenericError,
    InternalError,
    NotUniqueError,
    ParameterError,
)

LONGEST_PLACE = 200
"""Characters of the place of what does not fit."""

_REFUSALS: Mapping[int, type[OdenError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: NotUnique,
}
_BODIES: Mapping[int, type[GenericError]] = {400: ParameterError, 409: NotUniqueError, 500: InternalError}


def request(endpoint: Call[Takes, Any], body: object) -> Takes:
    """`body`, a JSON value, as the request of `endpoint`. InvalidRequest names every field that is not as documented."""
    try:
        return endpoint.takes.model_validate(body)
    except ValidationError as error:
        raise InvalidRequest(endpoint.path, _misfits(error)) from None


def fields(endpoint: Call[Takes, Any], request: Takes) -> dict[str, Any]:
    """What is sent of `request`. InvalidRequest where it breaks a rule of the document."""
    problems = list(endpoint.limit(request)) if endpoint.limit else []
    if problems:
        raise InvalidRequest(endpoint.path, problems)
    return request.fields()


def text(endpoint: Endpoint, body: Mapping[str, Any]) -> str:
    """`body` as it goes over the wire. InvalidRequest where no JSON can hold it."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise InvalidRequest(endpoint.path, ["NaN and Infinity cannot be sent"]) from None


def failure(endpoint: Endpoint, body: dict[str, Any], answer: Answer) -> OdenError | None:
    """The error that `answer` to `body` is; None for a success."""
    kind = _kind(answer, needs_body=endpoint.answers_json)
    if kind is None:
        return None
    said = _said(answer)
    return kind(
        endpoint.path,
        _text(answer),
        status=answer.status,
        said=said,
        may_repeat=kind.certainty != "in doubt" or endpoint.may_repeat(body),
        retry_after=answer.retry_after,
    )


def result(endpoint: Call[Any, Gives], body: dict[str, Any], answer: Answer) -> Gives:
    """What a successful `answer` to `body` holds. UnexpectedAnswer where it is not as documented.

    A list of one counts for the one, and the one for a list: the document itself is not of one mind.
    """
    found = answer.body
    if get_origin(endpoint.gives) is list and isinstance(found, dict):
        found = [found]
    elif (
        get_origin(endpoint.gives) is None
        and endpoint.gives is not object
        and isinstance(found, list)
        and len(found) == 1
    ):
        found = found[0]
    try:
        gives: Gives = TypeAdapter(endpoint.gives).validate_python(found, strict=False, context=ANSWER)
    except ValidationError as error:
        raise UnexpectedAnswer(
            endpoint.path,
            f"Oden took it, but its answer is not as documented: {'; '.join(_misfits(error))}",
            status=answer.status,
            may_repeat=endpoint.may_repeat(body),
        ) from None
    return gives


def _kind(answer: Answer, *, needs_body: bool) -> type[OdenError] | None:
    status = answer.status
    if not answer.sent:
        return NotSent
    if status is None:
        return InDoubt
    if 200 <= status < 300:
        return None if answer.own and (answer.readable or not needs_body) else InDoubt
    if status in (425, 429):
        return TooManyRequests
    if not answer.own or status < 400:
        return NotSent if status == 407 else InDoubt
    if status == 501:
        return Unimplemented
    if status >= 500:
        return ServerFailed
    return InDoubt if status == 408 else _REFUSALS.get(status, Refused)


def _text(answer: Answer) -> str:
    if answer.status is not None and 200 <= answer.status < 300:
        what = "without readable JSON" if answer.own else "and no JSON, so something between here and Oden answered"
        return f"{answer.status} {what}"
    if answer.status is not None and not answer.own and answer.sent:
        return f"something between here and Oden answered: {answer.error}"
    return answer.error


def _said(answer: Answer) -> GenericError | None:
    if not answer.own or answer.status is None or answer.status < 400:
        return None
    try:
        return _BODIES.get(answer.status, GenericError).answered(answer.body)
    except ValidationError:
        return None


def _misfits(error: ValidationError) -> list[str]:
    """What does not fit, once for each place, without the values: they could hold anything."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        words = _WORDS.get(one["type"]) or one["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        place = _place(one["loc"])
        # Of the ways in which a choice does not fit, the one that we have words of our own for says most.
        found[place] = words if one["type"] == "value_error" else found.get(place, words)
    return [f"{place}: {words}" for place, words in found.items()]


def _place(loc: tuple[int | str, ...]) -> str:
    """`loc` as a person writes it: without the kind of metadata and the types of a choice, which pydantic puts in between."""
    parts = [
        str(part)
        for before, part in zip((None, *loc), loc, strict=False)
        if before != "metadata" and not re.fullmatch(r"int|float|str|list|dict(\[.*)?|function-.*", str(part))
    ]
    return ".".join(parts)[:LONGEST_PLACE] or "the body"


_WORDS = {
    "missing": "it must be given",
    "model_type": "it must be an object",
    "dict_type": "it must be an object",
    "list_type": "it must be a list",
    "string_type": "it must be a text",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "datetime_type": "write a time as 2026-11-02T08:00:00Z",
}
"""What pydantic's types of errors mean to the person who wrote the request."""
