"""What all models of Oden's document have in common, and the bodies of answers that are no success.

A model holds what was said, and nothing else: a field that was not given is not sent, an explicit null is. Fields that
the document does not name are kept, in requests and in answers, because the API will grow.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, JsonValue, PlainSerializer, ValidationInfo

ANSWER = "answer"
"""The validation context in which Oden's answers are read: more leniently than what is to be sent."""


class Model(BaseModel):
    """A schema of the document: frozen, and strict in what it lets be sent (no number for a text)."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="allow",
        validate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,  # most endpoints are never used by one gateway
        coerce_numbers_to_str=True,  # in answers, which are not read strictly
    )
    __pydantic_extra__: dict[str, JsonValue]

    def fields(self) -> dict[str, Any]:
        """What was set, as JSON values by the names of the document."""
        return self.model_dump(mode="json", exclude_unset=True)

    @classmethod
    def answered(cls, value: object) -> Self:
        """Read from an answer of Oden's."""
        return cls.model_validate(value, strict=False, context=ANSWER)


def _time(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("write a time as 2026-11-02T08:00:00Z") from None
        if value.tzinfo is None and info.context is ANSWER:
            value = value.replace(tzinfo=UTC)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs its zone: write it as 2026-11-02T08:00:00Z")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise ValueError("a time must be between the years 1 and 9999") from None
    return value


def _text(value: datetime) -> str:
    return f"{value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


Time = Annotated[datetime, BeforeValidator(_time), PlainSerializer(_text)]
"""A moment with its zone, or ISO 8601 text for one; sent as `YYYY-MM-DDTHH:MM:SSZ`, in UTC, whole seconds (rounded
down)."""


def _json(value: str, info: ValidationInfo) -> str:
    if info.context is not ANSWER:
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("a text here must hold JSON") from None
    return value


JsonText = Annotated[str, AfterValidator(_json)]
"""A text that holds JSON (the document's `format: json`)."""

Number = float | int

Match = Literal["first", "last", "unique", "all", "ALL"]
"""Which of several to take; `unique` where absent. The document spells one of its examples `ALL`."""

Pattern = Literal["exact", "contains", "regex"]
"""Query parameter `pattern`: how texts are compared."""

Format = Literal["json", "jsonextended", "csv"]
"""Query parameter `format` of OQL queries."""


class GenericError(Model):
    """Of 401, 403, 404, 429 and 501. `retryable` says whether the same request may be taken later."""

    error: str
    retryable: bool | None = None


class ParameterError(GenericError):
    """Of 400: `name` is the parameter that is wrong."""

    name: str | None = None


class NotUniqueError(GenericError):
    """Of 409: how many of which entity fit what had to fit one."""

    entity_name: str | None = None
    num_matches: int | None = None


class InternalError(GenericError):
    """Of 500: `id` is what Oden's support finds the failure by."""

    id: str | None = None
