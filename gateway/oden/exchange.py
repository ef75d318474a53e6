"""From a typed request to the text that is sent, and from an answer to what was asked for, or to the error that it is.
Pure."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, get_origin

from pydantic import TypeAdapter, ValidationError

from gateway.oden.classification import Answer, classify, explanation, says_retryable
from gateway.oden.endpoints import Call, Endpoint, Gives, Takes
from gateway.oden.errors import BY_CLASS, InvalidRequest, OdenError, UnexpectedAnswer
from gateway.oden.models import (
    ANSWER,
    GenericError,
    InternalError,
    Model,
    NotUniqueError,
    ParameterError,
)

Part = TypeVar("Part", bound=Model)

LONGEST_PLACE = 200
"""Characters of the place of what does not fit."""

_BODIES: Mapping[int, type[GenericError]] = {400: ParameterError, 409: NotUniqueError, 500: InternalError}


def request(endpoint: Call[Takes, Any], body: object, *, strict: bool = True) -> Takes:
    """`body`, a JSON value, as the request of `endpoint`. InvalidRequest names every field that is not as documented.

    Not `strict`: a number where the document has a text becomes that text.
    """
    try:
        return endpoint.takes.model_validate(body, strict=strict)
    except ValidationError as error:
        raise InvalidRequest(endpoint.path, _misfits(error)) from None


def part(endpoint: Endpoint, place: str, model: type[Part], value: object) -> Part:
    """`value`, a JSON value, as what stands at `place` in a request to `endpoint`; not strict, as in `request`."""
    try:
        return model.model_validate(value, strict=False)
    except ValidationError as error:
        raise InvalidRequest(endpoint.path, [f"{place}.{misfit}" for misfit in _misfits(error)]) from None


def iso(seconds: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, as Oden writes times; `seconds` since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fields(endpoint: Call[Takes, Any], request: Takes) -> dict[str, Any]:
    """What is sent of `request`. InvalidRequest where it breaks a rule of the document, or is no model."""
    if not isinstance(request, endpoint.takes):
        name, given = endpoint.takes.__name__, type(request).__name__
        raise InvalidRequest(
            endpoint.path, [f"the request must be a {name}, not a {given}: {name}.model_validate(…) makes one of JSON"]
        )
    problems = list(endpoint.limit(request)) if endpoint.limit else []
    if problems:
        raise InvalidRequest(endpoint.path, problems)
    return request.fields()


def text(endpoint: Endpoint, body: Mapping[str, Any]) -> str:
    """`body` as it goes over the wire. InvalidRequest where no JSON can hold it."""
    try:
        written = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        written.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(endpoint.path, ["a text with half of a surrogate pair cannot be sent"]) from None
    except ValueError:
        raise InvalidRequest(endpoint.path, ["NaN and Infinity cannot be sent"]) from None
    return written


def failure(endpoint: Endpoint, body: dict[str, Any], answer: Answer) -> OdenError | None:
    """The error that `answer` to `body` is; None for a success."""
    error = BY_CLASS[classify(endpoint, answer)]
    if error is None:
        return None
    return error(
        endpoint.path,
        explanation(answer),
        status=answer.status,
        said=_error_body(answer),
        retryable=says_retryable(answer),
        may_repeat=error.certainty != "in doubt" or endpoint.may_repeat(body),
        retry_after=answer.retry_after,
    )


def result(endpoint: Call[Any, Gives], body: dict[str, Any], answer: Answer) -> Gives:
    """What a successful `answer` to `body` holds. UnexpectedAnswer where it is not as documented.

    A list of one counts for the one, and the one for a list: the document itself is not of one mind.
    """
    value = answer.body
    gives_list, gives_any = get_origin(endpoint.gives) is list, endpoint.gives is object
    if gives_list and isinstance(value, dict):
        value = [value]
    elif not gives_list and not gives_any and isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        gives: Gives = TypeAdapter(endpoint.gives).validate_python(value, strict=False, context=ANSWER)
    except ValidationError as error:
        raise UnexpectedAnswer(
            endpoint.path,
            f"Oden took it, but its answer is not as documented: {'; '.join(_misfits(error))}",
            status=answer.status,
            may_repeat=endpoint.may_repeat(body),
        ) from None
    return gives


def _error_body(answer: Answer) -> GenericError | None:
    if not answer.own or answer.status is None or answer.status < 400:
        return None
    try:
        return _BODIES.get(answer.status, GenericError).answered(answer.body)
    except ValidationError:
        return None


def _misfits(error: ValidationError) -> list[str]:
    """What does not fit, once for each place, without the values: they could hold anything."""
    texts: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        message = detail["msg"].removeprefix("Value error, ").replace("Input should", "it should")
        text = _TEXTS.get(detail["type"]) or message
        place = _place(detail["loc"])
        # Of the ways in which a choice does not fit, the one that we have a text of our own for says most.
        texts[place] = text if detail["type"] == "value_error" else texts.get(place, text)
    return [f"{place}: {text}" for place, text in texts.items()]


def _place(loc: tuple[int | str, ...]) -> str:
    """`loc` as a person writes it: without the kind of metadata and the types of a choice, which pydantic puts in."""
    steps = [
        str(step)
        for before, step in zip((None, *loc), loc, strict=False)
        if before != "metadata" and not re.fullmatch(r"int|float|str|list|dict(\[.*)?|function-.*", str(step))
    ]
    return ".".join(steps)[:LONGEST_PLACE] or "the body"


_TEXTS = {
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
