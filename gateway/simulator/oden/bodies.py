"""The JSON of requests and answers: fields as Oden's document describes them, error answers, and ids both ways.

Pure. Everything that is wrong with a request is an `ErrorAnswer`, which holds the status and the body of the answer.

An organization file may give ids to what it lists. The store knows its objects by ids that follow from their names, so
the ids of a request are translated before its endpoint sees them, and those of the answer back. One id may belong to
objects of several kinds: the field of the request in which it stands says which is meant.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NoReturn, TypeVar, get_args

Match = Literal["unique", "all", "first", "last"]
"""Which of several matching objects is meant (schema `Match` of the document)."""

DEEPEST = 32
"""How deep the JSON of a request may be nested; nothing in the document goes deeper than 8."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_UNFIT = re.compile(r"[\x00\ud800-\udfff]")
"""In a text that has been read: NUL, or half of a surrogate pair."""
_END_OF_TIME = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Oden answers: an HTTP status and a JSON value or, as `text`, what is no JSON: with 200 a table of
    comma-separated values, or nothing at all. `refused`: it took no effect, whatever the status says."""

    status: int
    body: object
    text: str | None = None
    refused: bool = False

    @property
    def took_effect(self) -> bool:
        """Whether the request did what it asked for."""
        return self.status == 200 and not self.refused


class ErrorAnswer(Exception):
    """An error answer: `status` and the JSON object `body`, which has at least `error` and `retryable`."""

    def __init__(self, status: int, error: str, **more: object) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, object] = {"error": error, **more, "retryable": False}

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self.body)


def bad_request(name: str, error: str) -> ErrorAnswer:
    """400 (`ParameterError`): the field `name`, with dots for nested ones, is missing or wrong."""
    return ErrorAnswer(400, f"{name}: {error}", name=name)


def not_found(entity: str) -> ErrorAnswer:
    """404 (`NotFoundError`)."""
    return ErrorAnswer(404, f"no {entity} matches")


def as_bad_request(error: ErrorAnswer) -> ErrorAnswer:
    """The 400 that stands for the 404 `error` where the document lists no 404 for the endpoint."""
    name = error.body["error"].split()[1] if isinstance(error.body["error"], str) else "body"
    return bad_request(name, "there is no such thing")


def select(candidates: Sequence[T], match: Match, entity: str) -> list[T]:
    """What `match` selects among `candidates`, which are ordered from the least recent to the most recent.

    `all` gives all of them, or none; the others give one or raise 404, and `unique` raises 409 (`NotUniqueError`)
    where there are several.
    """
    if match == "all":
        return list(candidates)
    if not candidates:
        raise not_found(entity)
    if match == "unique" and len(candidates) > 1:
        many = len(candidates)
        raise ErrorAnswer(
            409, f"{many} matches for {entity}, where one is wanted", entity_name=entity, num_matches=many
        )
    return [candidates[-1 if match == "last" else 0]]


def format_time(seconds: int) -> str:
    """Seconds since 1970 as the document writes times: `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_ids(answer: object) -> object:
    """The body of an answer without any id: of `intervals/set`, which answers ids only, nothing is left."""
    if isinstance(answer, list):
        return [without_ids(item) for item in answer if not isinstance(item, str)]
    return {key: value for key, value in answer.items() if key != "id"} if isinstance(answer, dict) else answer


def read_json(text: str) -> object:
    """JSON as Oden reads it: of several equal keys the first counts. ValueError where it is not JSON.

    Also refused are what JSON does not have (NaN, numbers beyond a double), nesting beyond `DEEPEST`, and texts that no
    database keeps: with half of a surrogate pair, or with NUL.
    """
    try:
        value: object = json.loads(
            text, object_pairs_hook=_first_of_equal_keys, parse_float=_finite, parse_constant=_refuse
        )
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _nested_deeper(value, DEEPEST):
        raise ValueError("nested too deep")
    if "\\u" in text and any(_UNFIT.search(part) for part in _texts(value)):
        raise ValueError("a text with NUL, or with half of a surrogate pair")
    return value


def read_body(body: bytes) -> "Fields":
    """The JSON object that a request holds; 400 where it holds anything else."""
    try:
        value = read_json(body.decode())
    except ValueError:
        raise bad_request("body", "is not JSON that can be kept") from None
    if not isinstance(value, dict):
        raise bad_request("body", "must be a JSON object")
    return Fields(value)


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _first_of_equal_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        result.setdefault(key, value)
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _nested_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_nested_deeper(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_nested_deeper(item, levels - 1) for item in value)
    return False


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a request, read field by field; a wrong type is 400, a field that nobody reads is let pass.

    `where` is the object's own place in the body, as a prefix for the names in errors: empty, or `interval.` and the
    like. `query` are the parameters of the address.
    """

    values: Mapping[str, object]
    where: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def missing(self, name: str) -> ErrorAnswer:
        return self.invalid(name, "is required")

    def invalid(self, name: str, error: str) -> ErrorAnswer:
        return bad_request(self.where + name, error)

    def text(self, name: str) -> str | None:
        """The string in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and not isinstance(value, str):
            raise self.invalid(name, "must be a string")
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        """The integer in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.invalid(name, "must be an integer")
        return value if isinstance(value, int) else None

    def number(self, name: str) -> float | None:
        """The number in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise self.invalid(name, "must be a number")
        return value if isinstance(value, int | float) else None

    def text_list(self, name: str) -> list[str]:
        """The strings in the list in `name`; none where the field is absent."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.invalid(name, "must be a list of strings")
        return value

    def time(self, name: str) -> int | None:
        """The time in `name` in whole seconds since 1970, fractions cut off; None where the field is absent.

        A time is ISO 8601 with date, time and zone; times before 1970 are refused.
        """
        text = self.text(name)
        if text is None:
            return None
        try:
            seconds = math.floor(datetime.fromisoformat(text).timestamp()) if _TIME.fullmatch(text) else -1
        except ValueError:
            seconds = -1
        if not 0 <= seconds <= _END_OF_TIME:
            raise self.invalid(name, "must be an ISO 8601 time with zone, such as 2021-04-04T08:00:04Z")
        return seconds

    def fields(self, name: str) -> "Fields | None":
        """The object in `name`; None where the field is absent."""
        if name not in self.values:
            return None
        value = self.values[name]
        if not isinstance(value, dict):
            raise self.invalid(name, "must be an object")
        return Fields(value, f"{self.where}{name}.")

    def json_object(self, name: str) -> dict[str, object] | None:
        """The object in `name`, or in a string there (the document has both); None where the field is absent."""
        value = self.values.get(name)
        if name not in self.values:
            return None
        if isinstance(value, str):
            try:
                value = read_json(value)
            except ValueError:
                raise self.invalid(name, "is a string that does not hold JSON") from None
        if not isinstance(value, dict):
            raise self.invalid(name, "must be an object, or a string that holds one")
        return value

    def time_range(self) -> tuple[int, int]:
        """`start_time` and `end_time`; 400 where one is absent, or they are the wrong way round."""
        begin, end = self.time("start_time"), self.time("end_time")
        if begin is None:
            raise self.missing("start_time")
        if end is None:
            raise self.missing("end_time")
        if end < begin:
            raise self.invalid("end_time", "must not be before start_time")
        return begin, end

    def required(self, name: str) -> "Fields":
        """The object in `name`; 400 where the field is absent."""
        fields = self.fields(name)
        if fields is None:
            raise self.missing(name)
        return fields

    def match(self) -> Match:
        """The field `match`, in any case (the document's own examples write `all` and `ALL`); default `unique`."""
        text = self.text("match")
        for match in get_args(Match):
            if match == (text or "unique").lower():
                return match  # type: ignore[no-any-return]
        raise self.invalid("match", f"must be one of {', '.join(get_args(Match))}")


_KIND_BY_FIELD = {
    "factory": "factory",
    "line": "line",
    "lines": "line",
    "type": "interval_type",
    "product": "product",
    "metric_group": "metric_group",
    "data": "scrap_yield",
    "dashboard": "dashboard",
}
"""Field of a request -> the kind of object that it names, whatever the request is about."""


def to_internal_ids(body: Fields, about: str, ids: Mapping[tuple[str, str], str]) -> Fields:
    """The body of a request about objects of the kind `about`, with the store's ids in the place of the client's.

    `ids` is (kind of object, the client's id) -> the store's id.
    """
    if not ids:
        return body
    values = _to_internal(body.values, about, ids)
    return Fields(values if isinstance(values, dict) else {}, body.where)


def to_external_ids(body: object, ids: Mapping[tuple[str, str], str]) -> object:
    """The body of an answer with the client's ids in the place of the store's."""
    if not ids:
        return body
    return _to_external(body, {internal: external for (_, external), internal in ids.items()})


def _to_internal(value: object, kind: str, ids: Mapping[tuple[str, str], str]) -> object:
    if isinstance(value, Mapping):
        translated = {
            name: _to_internal(item, _KIND_BY_FIELD.get(name, kind if name == "ids" else ""), ids)
            for name, item in value.items()
        }
        external = value.get("id")
        if isinstance(external, str):
            translated["id"] = ids.get((kind, external), external)
        return translated
    if isinstance(value, list):
        return [_to_internal(item, kind, ids) for item in value]
    return ids.get((kind, value), value) if isinstance(value, str) else value


def _to_external(value: object, ids: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {
            name: ids.get(item, item) if name == "id" and isinstance(item, str) else _to_external(item, ids)
            for name, item in value.items()
        }
    return [_to_external(item, ids) for item in value] if isinstance(value, list) else value
