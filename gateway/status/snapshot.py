"""One picture of the running gateway: what the page, the JSON, the health answers and the metrics are all made from.

`app` takes the picture when somebody asks; nothing below this package knows that it is being looked at. Every
`..._total` and every count counts from the start of the process. Times are seconds since 1970-01-01T00:00:00Z,
and a field is a time exactly where it is called `at`, `now` or `since` or its name ends in `_at` or `_since`.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

from gateway.config.schema_process import Tone
from gateway.frozen import dataclass
from gateway.health import FlowHealth, KindName, Problem
from gateway.mapping.lateness import Lateness
from gateway.model import KeptReject, Notice, Quality

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Waiting = Literal["waiting", "sending", "in_doubt", "parked", "dead", "unsettled"]
"""Where a record in the outbox stands: `parked` needs the interval of a dead letter, `dead` is one, `unsettled` may be
at Oden, which could not be looked up."""

LONGEST_VALUE = 200
"""Characters of an input's value that are shown; a message can be far longer."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `since` is when it was last connected or lost, None before the first attempt.

    `failed` says of an address (a node id, a topic) why it is not being received, `deaf` that none is of all that it
    is asked for, `concerns` what is wrong with it although it works, by kind of problem,
    `unconfirmed` that the broker leaves acknowledgements open, `unmatched` by address how many messages no input has
    taken. `room` is for how many seconds the broker's queue is enough while the gateway is away, at the rate of the
    busiest hour. `newest_at` is the plant's time of the newest value, where values have one, `newest_age` how many
    seconds old what came lately was at the least when it came, None where this connection has brought none yet; `late`
    whether that is too much; `certificate_ends` when the first of the certificates ends by which the connection is
    protected. `granted` is what an OPC UA server has made of the settings by which tags are watched: by the name of
    each the least and the most of any tag, in seconds, of `queue` in values.
    """

    name: str
    type: Literal["opcua", "mqtt"]
    connected: bool
    since: float | None
    detail: str
    failed: Mapping[str, str]
    last_sample_at: float | None
    samples: Mapping[Quality, int]
    gaps: int
    unconfirmed: str | None = None
    unmatched: Mapping[str, int] = field(default_factory=dict)
    room: float | None = None
    newest_at: float | None = None
    newest_age: float | None = None
    late: bool = False
    deaf: bool = False
    certificate_ends: float | None = None
    concerns: Mapping[KindName, str] = field(default_factory=dict)
    granted: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputStatus:
    """The last value of one input, None before the first; `at` is when it was observed."""

    value: object
    at: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run that is on."""

    name: str | None
    product: str
    since: float


@dataclass(frozen=True, slots=True)
class StateStatus:
    """The state that a line is in."""

    category: str
    reason: str | None
    since: float


@dataclass(frozen=True, slots=True)
class IntervalStatus:
    """A batch or an interval of the factory's own that is on, such as the operator's. `name` is what it goes by."""

    name: str | None
    since: float


@dataclass(frozen=True, slots=True)
class Total:
    """How much of `name`, which is the plant's own word in its raw data, was made in the interval of type `of` that is
    on; `details` by what else the raw data says."""

    of: str
    name: str
    amount: int | float
    details: Mapping[str, int | float]


@dataclass(frozen=True, slots=True)
class LineStatus:
    """One line. `held` says why nothing of it is delivered, None while it is; `waiting` is how many of its records are
    not at Oden yet. `tone` is how the page shows the state, None where the configuration does not say.

    `unknown_since`: what is said of the line has not been known to be so since then, because a source is away or an
    input that it rests on is quiet; None where it is known. `batch` and, by type, `intervals` are those that are on.
    `totals` are of run, batch and shift. `tones` is how each category is shown, and `revision` that of the newest
    change of the line's timeline.

    `lateness` is, by input, how late messages were that have times of their own, and `corrections` how often what was
    told of the line was corrected because of that.

    `without_run` is the output that no run has yet, summed by the names in its raw data: it goes to the next run, or
    to the one that turns out to have been on. `without_value` are inputs that never had one, `missed` what was looked
    up in tables and is not there, by table; `unlearned` are tables that have learned nothing, each with its input.
    """

    key: str
    factory: str
    line: str
    oden_id: str | None
    run: RunStatus | None
    state: StateStatus | None
    held: str | None
    inputs: Mapping[str, InputStatus]
    without_run: Mapping[str, int | float]
    waiting: int = 0
    without_value: tuple[str, ...] = ()
    missed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unlearned: Mapping[str, str] = field(default_factory=dict)
    tone: Tone | None = None
    unknown_since: float | None = None
    batch: IntervalStatus | None = None
    intervals: Mapping[str, IntervalStatus] = field(default_factory=dict)
    totals: tuple[Total, ...] = ()
    tones: Mapping[str, Tone] = field(default_factory=dict)
    revision: int = 0
    lateness: Mapping[str, Lateness] = field(default_factory=dict)
    corrections: int = 0


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What waits on disk. `drain_seconds` is how long that takes at the present pace, infinity while nothing flows;
    `limit` is how many bytes the outbox may have.
    """

    records: Mapping[Waiting, int]
    oldest_at: float | None
    drain_seconds: float
    bytes: int
    limit: int = 0
    held: int = 0
    """Intervals that somebody has deleted at Oden while they were open."""
    paused_since: float | None = None
    """Since when a person has delivery paused."""

    @property
    def to_do(self) -> int:
        """Records that are on their way to Oden."""
        return sum(self.records[state] for state in ("waiting", "sending", "in_doubt"))


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often something took how long.

    `counts` has one more entry than `bounds`: the first counts what took at most `bounds[0]` seconds, each next one
    what took longer than the bound before and at most its own, the last what took longer than all bounds. `sum` is of
    all, in seconds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class OdenStatus:
    """The way to Oden.

    `held` says why nothing at all is delivered, because all is held or because nothing has been taken for a while, and
    `retry_at` when that is tried again, where it is held. `last_success_at` is when Oden took something, or showed that
    it has it. `requests` counts by (object, action, outcome). `used_share`, 0 to 1, is the part of the request slots
    used over the last minutes. `silent_seconds` is how long requests have been without any answer, None while nothing
    waits for one. `refuses` says why Oden takes none of what it is told; None where it does.
    `last_error` and `last_error_at` stay after a success: a later `last_success_at` says that it is over.
    """

    url: str
    held: str | None
    retry_at: float | None
    last_success_at: float | None
    last_error: str | None
    last_error_at: float | None
    requests: Mapping[tuple[str, str, str], int]
    seconds: Histogram
    used_share: float
    silent_seconds: float | None = None
    refuses: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that Oden refused. `at` is when, `error` Oden's answer in short.

    `about` says in words what it is, such as `start of run WO-1007`, and `begun_at` when the interval that it is about
    began, where that is known. `parked` records wait for it, and `command` tries it again. `unsettled`: it may be at
    Oden, which could not be looked up.
    """

    key: str
    line: str
    kind: str
    at: float
    error: str
    about: str = ""
    begun_at: float | None = None
    parked: int = 0
    command: str = ""
    unsettled: bool = False


@dataclass(frozen=True, slots=True)
class RejectedStatus:
    """Messages that could not be used and are kept whole: how many, with how many bytes, the `newest`; how many had to
    make room for newer ones (`dropped`), and how many were too many in a short time to be kept (`left_out`)."""

    kept: int
    bytes: int
    dropped: int
    left_out: int
    newest: tuple[KeptReject, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole picture.

    `ready` says that every loop runs, that data are taken in, and that they are delivered or that this has waited for
    less than five minutes; `not_ready` says why it is not. `problems` are what is wrong, the
    gravest first, and `taking_in` and `delivering` what follows from them; `hints` are sentences about what was
    lately, which need no repair and do not make it unhealthy. `notices` and `dead_letters` are the newest ones,
    newest first; how many dead letters there are, `outbox.records` says.
    """

    version: str
    started_at: float
    now: float
    ready: bool
    not_ready: str | None
    taking_in: FlowHealth
    delivering: FlowHealth
    problems: tuple[Problem, ...]
    hints: tuple[str, ...]
    sources: tuple[SourceStatus, ...]
    lines: tuple[LineStatus, ...]
    outbox: OutboxStatus
    oden: OdenStatus
    records_total: Mapping[str, int]
    merged_total: int
    lost_total: Mapping[str, int]
    rejects_total: int
    rejected: RejectedStatus
    notices: tuple[Notice, ...]
    dead_letters: tuple[DeadLetter, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing at all is wrong. `/readyz` asks for less, `/healthz` only whether the process still turns."""
        return self.ready and not self.problems

    @property
    def headline(self) -> str:
        """One line for the page and a service manager: what is wrong now first, else what was lately, else what
        waits."""
        now = [problem for problem in self.problems if not problem.over]
        if now:
            return now[0].text
        if self.problems:
            return f"Working, but lately: {self.problems[0].text}"
        if self.hints:
            return f"Working, but {self.hints[0][0].lower()}{self.hints[0][1:]}"
        to_do = self.outbox.to_do
        return f"All is well; {counted(to_do, 'record waits', 'records wait') if to_do else 'nothing waits'} for Oden."


def counted(number: int, one: str, many: str) -> str:
    """`number` with the words for one or for many, as people write it."""
    return f"{number:,} {one if number == 1 else many}"


def as_json(snapshot: Snapshot) -> dict[str, object]:
    """`snapshot` as `/api/status` shows it: the same fields, `healthy` and `headline`.

    `problems` are their sentences; `problem_details` the same problems with kind, object, since and remedy.

    Times are ISO 8601 in UTC, None where they are not real times; numbers that JSON does not have are null;
    `oden.requests` is a list of objects; an input's value longer than LONGEST_VALUE is cut.
    """
    whole = {"healthy": snapshot.healthy, "headline": snapshot.headline, **_fields(snapshot)}
    whole["problem_details"] = whole["problems"]
    whole["problems"] = [problem.text for problem in snapshot.problems]
    return whole


def to_json(snapshot: Snapshot) -> str:
    """The text of `as_json`."""
    return json.dumps(as_json(snapshot), allow_nan=False)


def _fields(thing: "DataclassInstance") -> dict[str, object]:
    return {name: shown(getattr(thing, name)) for name, shown in _shown(type(thing))}


@cache
def _shown(kind: "type[DataclassInstance]") -> tuple[tuple[str, Callable[[object], object]], ...]:
    """How the fields of this kind of thing are shown: found out once, for the page asks again and again."""
    return tuple((field.name, _way(field.name)) for field in fields(kind))


def _way(name: str) -> Callable[[object], object]:
    if name == "requests":
        return _requests
    if name == "value":
        return _value
    return _time if is_time(name) else _plain


def _requests(value: object) -> object:
    if not isinstance(value, Mapping):
        return _plain(value)
    return [{"object": o, "action": a, "outcome": r, "count": n} for (o, a, r), n in value.items()]


def is_time(name: str) -> bool:
    """Whether a field of this name is a time."""
    return name in {"at", "now", "since"} or name.endswith(("_at", "_since"))


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return _fields(value) if is_dataclass(value) and not isinstance(value, type) else value


def _time(value: object) -> object:
    if not isinstance(value, int | float):
        return _plain(value)
    try:
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _value(value: object) -> object:
    """A number as it is; texts and whole messages as text, cut to a length that a page can show."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
