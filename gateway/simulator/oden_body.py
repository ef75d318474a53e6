"""Reading request bodies as Oden's document describes them, and the error answers for those that do not fit it.

Pure. Everything that is wrong with a request is an `OdenError`, which holds the status and body of the answer.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, NoReturn, TypeVar, get_args

Match = Literal["unique", "all", "first", "last"]
"""Which of several matching things is meant (schema `Match` of the document)."""

DEEPEST = 32
"""How deep the JSON of a request may be nested; nothing in the document goes deeper than 8."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
_END_OF_TIME = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

T = TypeVar("T")


class OdenError(Exception):
    """An error answer: `status` and the JSON object `body`, which has at least `error` and `retryable`."""

    def __init__(self, status: int, error: str, **more: object) -> None:
        super().__init__(error)
        self.status = status
        self.body: dict[str, object] = {"error": error, **more, "retryable": False}


def bad(name: str, error: str) -> OdenError:
    """400 (`ParameterError`): the field `name`, with dots for nested ones, is missing or wrong."""
    return OdenError(400, f"{name}: {error}", name=name)


def not_found(entity: str) -> OdenError:
    """404 (`NotFoundError`)."""
    return OdenError(404, f"no {entity} matches")


def unlisted(error: OdenError) -> OdenError:
    """A 404 of an endpoint for which the document lists none: 400 for what is not there."""
    name = error.body["error"].split()[1] if isinstance(error.body["error"], str) else "body"
    return bad(name, "there is no such thing")


def select(found: Sequence[T], match: Match, entity: str) -> list[T]:
    """What `match` means among `found`, which is ordered from the least recent to the most recent.

    `all` gives everything, also nothing; the others give one thing or raise 404, and `unique` raises 409
    (`NotUniqueError`) where there are several.
    """
    if match == "all":
        return list(found)
    if not found:
        raise not_found(entity)
    if match == "unique" and len(found) > 1:
        raise OdenError(
            409, f"{len(found)} matches for {entity}, where one is wanted", entity_name=entity, num_matches=len(found)
        )
    return [found[-1 if match == "last" else 0]]


def time_text(seconds: int) -> str:
    """Seconds since 1970 as the document writes times: `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def without_ids(answer: object) -> object:
    """An answer of Oden's without the ids of what it is about: of `intervals/set`, which answers ids only, nothing is left."""
    if isinstance(answer, list):
        return [without_ids(item) for item in answer if not isinstance(item, str)]
    return {key: value for key, value in answer.items() if key != "id"} if isinstance(answer, dict) else answer


def read_json(text: str) -> object:
    """JSON as Oden reads it: of several equal keys the first counts. ValueError where it is not JSON.

    Also refused are what JSON does not have (NaN, numbers beyond a double) and nesting beyond `DEEPEST`.
    """
    try:
        value: object = json.loads(text, object_pairs_hook=_first, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _deeper(value, DEEPEST):
        raise ValueError("nested too deep")
    return value


def read_body(body: bytes) -> "Fields":
    """The JSON object that a request holds; 400 where it holds anything else."""
    try:
        value = read_json(body.decode())
    except ValueError:
        raise bad("body", "is not JSON") from None
    if not isinstance(value, dict):
        raise bad("body", "must be a JSON object")
    return Fields(value)


def _first(pairs: list[tuple[str, object]]) -> dict[str, object]:
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


def _deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_deeper(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper(item, levels - 1) for item in value)
    return False


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a request, read field by field; wrong types are 400, fields that nobody reads are let pass.

    `where` is its own place in the body, as a prefix for the names in errors: empty, or `interval.` and the like. `query` are
    the parameters of the address.
    """

    values: Mapping[str, object]
    where: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def missing(self, name: str) -> OdenError:
        return self.bad(name, "is required")

    def bad(self, name: str, error: str) -> OdenError:
        return bad(self.where + name, error)

    def text(self, name: str) -> str | None:
        """The string in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and not isinstance(value, str):
            raise self.bad(name, "must be a string")
        return value if isinstance(value, str) else None

    def whole(self, name: str) -> int | None:
        """The integer in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.bad(name, "must be an integer")
        return value if isinstance(value, int) else None

    def number(self, name: str) -> float | None:
        """The number in `name`; None where the field is absent."""
        value = self.values.get(name)
        if name in self.values and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise self.bad(name, "must be a number")
        return value if isinstance(value, int | float) else None

    def texts(self, name: str) -> list[str]:
        """The strings in the list in `name`; none where the field is absent."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.bad(name, "must be a list of strings")
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
            raise self.bad(name, "must be an ISO 8601 time with zone, such as 2021-04-04T08:00:04Z")
        return seconds

    def fields(self, name: str) -> "Fields | None":
        """The object in `name`; None where the field is absent."""
        if name not in self.values:
            return None
        value = self.values[name]
        if not isinstance(value, dict):
            raise self.bad(name, "must be an object")
        return Fields(value, f"{self.where}{name}.")

    def json_object(self, name: str) -> dict[str, object] | None:
        """The object in `name`, or that which a string in it holds, as the document has it both ways; None where the field is absent."""
        value = self.values.get(name)
        if name not in self.values:
            return None
        if isinstance(value, str):
            try:
                value = read_json(value)
            except ValueError:
                raise self.bad(name, "is a string that does not hold JSON") from None
        if not isinstance(value, dict):
            raise self.bad(name, "must be an object, or a string that holds one")
        return value

    def required(self, name: str) -> "Fields":
        """The object in `name`; 400 where the field is absent."""
        found = self.fields(name)
        if found is None:
            raise self.missing(name)
        return found

    def match(self) -> Match:
        """The field `match`, in any case (the document's own examples write `all` and `ALL`); default `unique`."""
        text = self.text("match")
        for match in get_args(Match):
            if match == (text or "unique").lower():
                return match  # type: ignore[no-any-return]
        raise self.bad("match", f"must be one of {', '.join(get_args(Match))}")
