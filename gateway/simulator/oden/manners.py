"""The manners of this Oden: how it does what its document leaves open, one row for each question.

A manner is a field of `Manners`, and its row says what it does, which values it takes, and where it hooks in:

- `before`: is given the value of the manner and a request; answers in the place of the endpoint, refuses (ErrorAnswer),
  or leaves it to the endpoint (None);
- `after`: is given the manner's value, the request and its answer, and gives the answer that goes out;
- neither: the code that the row names looks at `store.manners`.

So a client can be tried against each possibility. Pure.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from gateway.errors import GatewayError
from gateway.simulator.oden.bodies import (
    Answer,
    ErrorAnswer,
    Fields,
    not_found,
    read_body,
    to_internal_ids,
    without_ids,
)
from gateway.simulator.oden.faults import SHAPES, SUCCESSES, seconds
from gateway.simulator.oden.store import BUILT_IN, Interval, Line, Store

UPDATES = ("/v2/interval/set", "/v2/interval/update", "/v2/intervals/update")
"""The endpoints that change intervals."""

T = TypeVar("T")


class MannerError(GatewayError):
    """A manner is not what it can be; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the endpoint at `path` (`/v2/{object}/{action}`), with its parameters in `query`."""

    store: Store
    path: str
    query: Mapping[str, str]
    body: bytes

    def fields(self) -> Fields:
        """The body as the endpoint gets it, with the store's ids in it; ErrorAnswer where it is no JSON object."""
        about = self.path.split("/")[2].removesuffix("s")
        translated = to_internal_ids(read_body(self.body), about, self.store.organization.ids)
        return Fields(translated.values, translated.where, self.query)


@dataclass(frozen=True, slots=True)
class Manner:
    """What is known of one manner. `read` makes its value of lower-case text, and raises ValueError or KeyError."""

    does: str
    values: str
    read: Callable[[str], object]
    before: Callable[[Any, Call], Answer | None] | None = None
    after: Callable[[Any, Call, Answer], Answer] | None = None


def _manner(default: T, row: Manner) -> T:
    return field(default=default, metadata={"row": row})


def _nothing(value: str, call: Call, answer: Answer) -> Answer:
    if value == "empty" and call.path.endswith("/search") and answer.status == 404:
        return Answer(200, [])
    if value == "404" and call.path.endswith("/search") and answer == Answer(200, []):
        return not_found("entity").answer
    return answer


def _ids(value: str, call: Call, answer: Answer) -> Answer:
    if value == "yes" or call.path != "/v2/interval/set" or not answer.took_effect:
        return answer
    if value == "no":
        return Answer(answer.status, without_ids(answer.body))
    shown = (
        [{"id": item["id"]} for item in answer.body if isinstance(item, dict)] if isinstance(answer.body, list) else []
    )
    return Answer(answer.status, {"data": shown[0]} if value == "only" and shown else answer.body)


def _errors(value: str, call: Call, answer: Answer) -> Answer:
    if value == "documented" or not 400 <= answer.status < 500 or not isinstance(answer.body, dict):
        return answer
    text = str(answer.body.get("error"))
    if value in SUCCESSES:
        return Answer(200, SUCCESSES[value](text), refused=True)
    shown = SHAPES[value](text)
    return Answer(answer.status, None, shown) if value == "text" else Answer(answer.status, json.loads(shown))


def _updated(value: str, call: Call, answer: Answer) -> Answer:
    changes = call.path in UPDATES and answer.took_effect and (call.path != "/v2/interval/set" or "id" in call.fields())
    return Answer(200, None, {"empty": "", "text": "OK"}[value]) if changes and value != "whole" else answer


TIMES = {"start_time", "end_time", "timestamp", "started_at", "completed_at"}
"""The fields of answers that are times."""
WRITTEN: Mapping[str, Callable[[str], object]] = {
    "seconds": str,
    "milliseconds": lambda time: time.replace("Z", ".000Z"),
    "offset": lambda time: time.replace("Z", "+00:00"),
    "number": lambda time: round(datetime.fromisoformat(time).timestamp() * 1000),
}
"""How a time can be written -> what makes it of one that ends with Z."""


def _times(value: str, call: Call, answer: Answer) -> Answer:
    return answer if value == "seconds" else replace(answer, body=_with_times(answer.body, WRITTEN[value]))


def _with_times(body: object, write: Callable[[str], object]) -> object:
    if isinstance(body, list):
        return [_with_times(item, write) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        name: write(item)
        if name in TIMES and isinstance(item, str)
        else item
        if name == "raw_data"  # it is the plant's own
        else _with_times(item, write)
        for name, item in body.items()
    }


def _refuse(value: str, call: Call) -> Answer | None:
    if (
        not value
        or not call.path.endswith(("/set", "/update"))
        or value not in call.body.decode(errors="replace").lower()
    ):
        return None
    return ErrorAnswer(400, "this is not allowed here", name="body").answer


def _match(value: str, call: Call) -> Answer | None:
    refused = value.removeprefix("no_")
    body = call.body.decode(errors="replace").lower()
    if not call.path.endswith("/search") or not re.search(rf'"match"\s*:\s*"{refused}"', body):
        return None
    return ErrorAnswer(400, f"match: {refused} is not supported", name="match").answer


def _bulk_update(value: int, call: Call) -> Answer | None:
    if value == 200 or call.path != "/v2/intervals/update":
        return None
    return ErrorAnswer(value, "not available").answer


@dataclass(frozen=True, slots=True)
class Manners:
    """The choice that is made for each open question; see the rows."""

    nothing: str = _manner(
        "by_match",
        Manner(
            "what a search answers that finds nothing: an empty list for `match: all`, else 404 (by_match); always an "
            "empty list (empty); always 404",
            "by_match, empty or 404",
            {text: text for text in ("by_match", "empty", "404")}.__getitem__,
            after=_nothing,
        ),
    )
    range: str = _manner(
        "overlap",
        Manner(
            "which intervals a range finds: those of which a part lies in it (overlap), those that start in it "
            "(start), or those that start and end in it, so that none is open (within); `intervals.search_intervals` "
            "asks",
            "overlap, start or within",
            {text: text for text in ("overlap", "start", "within")}.__getitem__,
        ),
    )
    ids: str = _manner(
        "yes",
        Manner(
            "whether the answer of `interval/set` has the interval's id: yes; no; or nothing but that (only)",
            "yes, no or only",
            {"yes": "yes", "true": "yes", "no": "no", "false": "no", "only": "only"}.__getitem__,
            after=_ids,
        ),
    )
    bulk_update: int = _manner(
        200,
        Manner(
            "200, or the status with which `intervals/update` answers as if it did not exist (404) or was not ready "
            "(501)",
            "200, 404 or 501",
            {"200": 200, "404": 404, "501": 501}.__getitem__,
            before=_bulk_update,
        ),
    )
    search_lag: float = _manner(
        0.0,
        Manner(
            "how many seconds after a write the searches see it; `model.LaggingModel` asks",
            "seconds, 0 or more",
            seconds,
        ),
    )
    errors: str = _manner(
        "documented",
        Manner(
            "what the body of a 4xx is: `error` and `retryable` as the document has them (documented); `message`, "
            "`detail`, a web framework's own or plain text; or none at all, but 200 with `error` (success), with an "
            "object there (success_object), or with `success` as false (success_false)",
            ", ".join(("documented", *SHAPES, *SUCCESSES)),
            {text: text for text in ("documented", *SHAPES, *SUCCESSES)}.__getitem__,
            after=_errors,
        ),
    )
    updated: str = _manner(
        "whole",
        Manner(
            "what a success of a change of intervals answers: what the document says (whole), nothing (empty), or a "
            "text that is no JSON (text)",
            "whole, empty or text",
            {text: text for text in ("whole", "empty", "text")}.__getitem__,
            after=_updated,
        ),
    )
    names: str = _manner(
        "any",
        Manner(
            "what an interval may be called: anything (any); what no other run of its line is called, else 409 "
            "(unique); 20 characters, the rest being cut off (short); `intervals.parse_interval` asks",
            "any, unique or short",
            {text: text for text in ("any", "unique", "short")}.__getitem__,
        ),
    )
    over: int = _manner(
        200,
        Manner(
            "200, or the status with which `intervals/set` is refused as a whole where one of its intervals lies over "
            "another of the type; `intervals.set_intervals` asks",
            "200, 400 or 409",
            {"200": 200, "400": 400, "409": 409}.__getitem__,
        ),
    )
    orders: int = _manner(
        200,
        Manner(
            "200, or the status with which a work order that is completed cannot be changed any more; "
            "`work_orders.set_order` asks",
            "200, 400 or 409",
            {"200": 200, "400": 400, "409": 409}.__getitem__,
        ),
    )
    rounds: int = _manner(
        0,
        Manner(
            "to how many seconds the starts of intervals are rounded down; `intervals.parse_interval` asks",
            "0, 1 or 60",
            {"0": 0, "1": 1, "60": 60}.__getitem__,
        ),
    )
    times: str = _manner(
        "seconds",
        Manner(
            "how answers have the times of intervals, output and tests: as they were sent (seconds), with three "
            "decimals (milliseconds), with +00:00 in the place of the Z (offset), or as milliseconds since 1970 "
            "(number)",
            "seconds, milliseconds, offset or number",
            {text: text for text in WRITTEN}.__getitem__,
            after=_times,
        ),
    )
    metadata: str = _manner(
        "merge",
        Manner(
            "what becomes of metadata that a change of an interval does not name: they stay (merge), or are gone "
            "(replace); what an interval must have is then taken to stay, too. `intervals.update` asks",
            "merge or replace",
            {text: text for text in ("merge", "replace")}.__getitem__,
        ),
    )
    overlap: int = _manner(
        200,
        Manner(
            "200, or the status with which a run, batch or state is refused while one of its type that began before "
            "has not ended by then; `intervals.parse_interval` asks",
            "200, 400, 409, 422 or 500",
            {"200": 200, "400": 400, "409": 409, "422": 422, "500": 500}.__getitem__,
        ),
    )
    match: str = _manner(
        "any",
        Manner(
            "which `match` searches take: any; none that says `all` (no_all), or `unique` (no_unique), which are "
            "refused with 400",
            "any, no_all or no_unique",
            {text: text for text in ("any", "no_all", "no_unique")}.__getitem__,
            before=_match,
        ),
    )
    refuse: str = _manner(
        "",
        Manner(
            "a text: what is set and has it somewhere is refused, whatever the rest",
            "a text",
            str,
            before=_refuse,
        ),
    )

    def accepting(self) -> "Manners":
        """The same without those that refuse what is set."""
        names = "short" if self.names == "short" else "any"
        return replace(self, bulk_update=200, overlap=200, names=names, over=200, orders=200, refuse="")

    def before(self, call: Call) -> Answer | None:
        """The answer of the first manner that answers in the place of the endpoint; None where none does."""
        for name, row in MANNERS.items():
            answer = row.before(getattr(self, name), call) if row.before else None
            if answer is not None:
                return answer
        return None

    def after(self, call: Call, answer: Answer) -> Answer:
        """`answer`, as these manners have it."""
        for name, row in MANNERS.items():
            if row.after:
                answer = row.after(getattr(self, name), call, answer)
        return answer


MANNERS: Mapping[str, Manner] = {each.name: each.metadata["row"] for each in fields(Manners)}
"""Name of each manner -> its row. Hooks are called in this order."""


def read_manners(given: Mapping[str, object], manners: Manners = Manners()) -> Manners:
    """`manners` with what is `given`, as words or as plain values; MannerError where a name or value is not one."""
    changes: dict[str, object] = {}
    for name, value in given.items():
        if name not in MANNERS:
            raise MannerError(f"there is no manner {name!r}: the manners are {', '.join(MANNERS)}")
        try:
            changes[name] = MANNERS[name].read(str(value).lower())
        except (ValueError, KeyError):
            raise MannerError(
                f"{value!r} is no value for the manner {name}: it can be {MANNERS[name].values}"
            ) from None
    return replace(manners, **changes)  # type: ignore[arg-type] # each row reads its field's type


LONGEST_NAME = 20
"""Characters of a name, where names are cut off."""


def check_overlap(store: Store, interval_type: str, line: Line, start: int) -> None:
    """By manner, a run, batch or state is refused where one of its type goes on that began before it."""
    status = store.manners.overlap
    before = store.intervals_of(interval_type, line) if status >= 400 and interval_type in BUILT_IN else []
    if any(old.start < start and (old.end is None or old.end > start) for old in before):
        raise ErrorAnswer(status, "another interval is still open then")


def allowed_name(store: Store, interval_type: str, line: Line, name: str | None) -> str | None:
    """The name as this Oden keeps it; by manner, one that another run of the line has is refused."""
    if name is not None and store.manners.names == "short":
        return name[:LONGEST_NAME]
    taken = name and store.manners.names == "unique" and interval_type == "RUN"
    if taken and any(old.name == name for old in store.intervals_of(interval_type, line)):
        raise ErrorAnswer(409, "a run of this name is there already", entity_name="interval", num_matches=1)
    return name


def check_over(store: Store, interval_type: str, line: Line, new: Sequence[Interval]) -> None:
    """By manner, custom intervals are refused together where one of them lies over another that is there."""
    status = store.manners.over
    there = store.intervals_of(interval_type, line) if status >= 400 else []
    if any(_lies_over(one, old) for one in new for old in there):
        raise ErrorAnswer(status, "another interval is there already")


def _lies_over(new: Interval, old: Interval) -> bool:
    return (new.end is None or new.end > old.start) and (old.end is None or old.end > new.start)
