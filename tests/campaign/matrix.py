"""What each manner of Oden's costs: an hour of one line, told in simulated time, and a row of a table for each."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.model import Output, Record, Setting, StartInterval
from gateway.oden.answer_parts import epoch_of
from gateway.oden.exchange import iso
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter
from gateway.simulator.oden.faults import SHAPES, SUCCESSES, Decision, Genuine
from gateway.simulator.oden.manners import Manners
from gateway.status import findings
from gateway.status.snapshot import Histogram, OdenStatus, OutboxStatus
from tests.delivery.harness import FACTORY, LINE, NAME
from tests.delivery.simulated import Plant, T, live

MINUTES = 60
LOST_ANSWERS = (
    "close commit=yes at=interval/set times=2 since=200",
    "close commit=yes at=scrap_yield/set times=2 since=300",
    "close commit=yes at=interval*/* times=2 since=600",
    "error status=500 commit=yes at=interval/set times=1 since=900",
)
"""In every row some answers are lost, of which nobody knows whether they took effect."""
KINDS = ("RUN", "STATE", "CHECK")
ORDERS = 2
"""Work orders that there are in the end: begun again, it is another."""
FORBIDDEN = "forbidden"
"""What one run is called, and the scrap code of one entry, where something is refused."""
One = tuple[str, int]
"""What a record makes at Oden: a type of intervals with a start, or ENTRY with a time stamp."""
ENTRY = "entry"


@dataclass
class Row:
    """One way that Oden can be, and what became of the hour. `said` are the problems on the page, the first first."""

    name: str
    manners: Manners = field(default_factory=Manners)
    faults: Sequence[str] = ()
    edits: bool = False
    """Somebody re-categorises every state and writes a comment, and the machine gives a reason afterwards."""
    lost: int = 0
    doubled: int = 0
    dead: int = 0
    unsettled: int = 0
    stuck: int = 0
    requests: int = 0
    misjudged: set[One] = field(default_factory=set)
    """What is a dead letter and not refused by this Oden, or the other way round; and the same of what is unsettled,
    and of what an Oden that cannot be asked has left in doubt."""
    said: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> bool:
        """Whether anything is lost, doubled or left, or other things are dead or unsettled than must be."""
        return bool(self.lost or self.doubled or self.stuck or self.misjudged)


def rows() -> list[Row]:
    """Every value of every manner by itself, and some faults that last."""
    refuses = [
        Row(f"errors={shape}, one run and one entry refused", Manners(errors=shape, refuse=FORBIDDEN))
        for shape in ("documented", *SHAPES, *SUCCESSES)
    ]
    return [
        Row("as the document's examples"),
        *(Row(f"nothing={value}", Manners(nothing=value)) for value in ("empty", "404")),
        *(Row(f"range={value}", Manners(range=value)) for value in ("start", "within")),
        *(Row(f"ids={value}", Manners(ids=value)) for value in ("no", "only")),
        Row("rounds=60", Manners(rounds=60)),
        *(Row(f"times={value}", Manners(times=value)) for value in ("milliseconds", "offset", "number")),
        *(Row(f"match={value}", Manners(match=value)) for value in ("no_all", "no_unique")),
        *(Row(f"bulk_update={value}", Manners(bulk_update=value)) for value in (404, 501)),
        Row("search_lag=30", Manners(search_lag=30.0)),
        *refuses,
        *(Row(f"updated={value}", Manners(updated=value)) for value in ("empty", "text")),
        *(Row(f"names={value}", Manners(names=value)) for value in ("unique", "short")),
        *(Row(f"over={value}", Manners(over=value)) for value in (400, 409)),
        *(Row(f"orders={value}", Manners(orders=value)) for value in (400, 409)),
        *(
            Row(
                f"metadata={value}, 60 states changed by people and by the machine", Manners(metadata=value), edits=True
            )
            for value in ("merge", "replace")
        ),
        *(Row(f"overlap={value}", Manners(overlap=value)) for value in (400, 409, 422, 500)),
        *(
            Row(
                f"5 min without a route, shape={shape}",
                faults=[f"foreign status=404 shape={shape} since=900 until=1200"],
            )
            for shape in SHAPES
        ),
        Row("5 min without a route for searches", faults=["foreign status=404 at=*/search since=190 until=490"]),
        Row("5 min of 200 with an error", faults=["swallow as=error since=900 until=1200"]),
        Row("5 min of a web page", faults=["html status=200 since=900 until=1200"]),
        Row("10 min of 401 in another shape", faults=["foreign status=401 since=900 until=1500"]),
    ]


def measure(row: Row) -> Row:
    """Let the hour pass with this Oden. What is unsettled in the end a person looks for there, and settles."""
    told: list[StartInterval] = []
    doubtful: set[One] = set()
    refused: set[One] = set()
    amounts: Counter[str] = Counter()

    async def hour(plant: Plant) -> None:
        _note_lost_answers(plant, doubtful)
        watching = asyncio.create_task(_watch(plant, row.said))
        open_: list[StartInterval] = []
        for minute in range(MINUTES + 1):
            ends: list[Record] = [plant.end(one, 60 * minute) for one in open_]
            open_ = (
                []
                if minute == MINUTES
                else [plant.start(60 * minute, name=_named(minute)), plant.start(60 * minute, "STATE")]
            )
            plant.commit(*ends, *open_, *_checks(plant, minute), *_order(plant, minute))
            told.extend((*open_, *_checks(plant, minute)))
            await asyncio.sleep(20)
            if row.edits and open_:
                _edit(plant, open_[1])
            await asyncio.sleep(10)
            if open_:
                plant.commit(plant.output(open_[0], 60 * minute + 30, 1))
                amounts["RUN"] += 1
            if minute == 2 and row.manners.refuse:
                run = plant.start(60 * minute + 7, "RUN", FORBIDDEN)
                entry = plant.output(open_[0], 155, 100, scrap_code=FORBIDDEN)
                plant.commit(run, entry)
                refused.update((_one(run), _one(entry)))
            await asyncio.sleep(30)
        await plant.until(lambda: not _to_do(plant) or asyncio.get_running_loop().time() > 6 * 3600)
        _judge_letters(row, plant, refused, doubtful)
        await _settle(plant)
        watching.cancel()

    plant = live(hour, row.manners, [*LOST_ANSWERS, *row.faults])
    shown = Counter((one.type, one.start) for kind in KINDS for one in plant.intervals(kind) if one.end)
    step = row.manners.rounds or 1
    wanted = Counter((one.type, one.start // step * step) for one in told)
    if row.edits:
        wanted_states = [{"category": "Planned Downtime", "comment": "by hand", "reason": "Jam"}] * MINUTES
        row.lost += sum(one != other for one, other in zip(_states(plant), wanted_states, strict=True))
    more = len(plant.oden.model.orders(FACTORY, NAME)) - ORDERS
    row.lost, row.doubled = row.lost + max(0, -more), max(0, more)
    difference = plant.total() - amounts["RUN"]
    counts = plant.outbox.counts()
    row.lost += (wanted - shown).total() + max(0, -difference)
    row.doubled += (shown - wanted).total() + max(0, difference)
    row.requests = len(plant.seen)
    row.stuck = _to_do(plant) + counts.unsettled + (counts.parked if not counts.dead else 0)
    return row


def table(told: Sequence[Row]) -> Iterator[str]:
    """The rows as lines of text, each once it is measured."""
    width = max(len(row.name) for row in told)
    yield f"{'Oden':{width}}  lost  doubled  dead  unsettled  stuck  requests  the page says"
    for row in map(measure, told):
        figures = f"{row.lost:4}  {row.doubled:7}  {row.dead:4}  {row.unsettled:9}  {row.stuck:5}  {row.requests:8}"
        said = "; ".join(dict.fromkeys(row.said)) or "all is well"
        yield f"{row.name:{width}}  {figures}  {'WRONG: ' if row.wrong else ''}{said}"


def _named(minute: int) -> str:
    """What a run is called: as one of a while ago, with a name that is longer than some take."""
    return f"order {minute % 20} of the customer in the north"


def _one(record: Record) -> One:
    if isinstance(record, StartInterval):
        return record.type, record.start
    assert isinstance(record, Output), f"no dead letter of this kind is wanted: {record}"
    return ENTRY, record.timestamp


def _note_lost_answers(plant: Plant, doubtful: set[One]) -> None:
    """Whatever is asked to be made and not answered by Oden itself is `doubtful` from now on."""
    decide = plant.injector.decide

    def noted(path: str, body: bytes, now: float) -> Decision:
        decision = decide(path, body, now)
        if path.endswith("/set") and not isinstance(decision.sees, Genuine):
            doubtful.update(_made(json.loads(body)))
        return decision

    plant.injector.decide = noted  # type: ignore[method-assign] # it only takes note


def _made(asked: Mapping[str, object]) -> Iterator[One]:
    """What a request to set an interval, several of them, or an entry is to make."""
    several, data, kind = asked.get("intervals", [asked]), asked.get("data"), asked.get("type")
    name = str(kind.get("name")) if isinstance(kind, Mapping) else ""
    if isinstance(data, Mapping) and (stamp := epoch_of(data.get("timestamp"))) is not None:
        yield ENTRY, stamp
    for one in several if isinstance(several, list) else ():
        if "id" not in one and (start := epoch_of(one.get("start_time"))) is not None:
            yield name, start


def _judge_letters(row: Row, plant: Plant, refused: set[One], doubtful: set[One]) -> None:
    """See which letters there are, and which there must be. Where searches leave out what is open, some of what is
    doubtful has ended by the time that it is looked up, and is found."""
    letters = plant.letters()
    dead = [_one(letter.record) for letter in letters if not letter.unsettled]
    unsettled = [_one(letter.record) for letter in letters if letter.unsettled]
    row.dead, row.unsettled = len(dead), len(unsettled)
    must_be = doubtful if row.manners.match == "no_all" else set[One]()
    may_be = doubtful if row.manners.range == "within" else must_be
    row.misjudged = (refused ^ {*dead}) | (must_be - {*unsettled}) | ({*unsettled} - may_be)


async def _settle(plant: Plant) -> None:
    """A person looks for each unsettled record at Oden, and says what is there."""
    for record in [letter.record for letter in plant.letters() if letter.unsettled]:
        kind, at = _one(record)
        runs = plant.intervals("RUN")
        entries = [entry for run in runs for entry in plant.oden.model.output(run) if entry.timestamp == at]
        found = entries if kind == ENTRY else [one for one in plant.intervals(kind) if one.start == at]
        oden_id = found[0].id if found else None
        await plant.ask("settle", Question(Filter(keys=frozenset({record.key})), oden_id=oden_id))
    await plant.until(lambda: not _to_do(plant) or asyncio.get_running_loop().time() > 12 * 3600)


def _checks(plant: Plant, minute: int) -> list[StartInterval]:
    """Custom intervals, now and then, of which each lies over the one before."""
    if minute % 10 != 5:
        return []
    return [replace(plant.start(60 * minute + at, "CHECK"), end=T + 60 * minute + at + 45) for at in (0, 20, 40)]


def _order(plant: Plant, minute: int) -> list[Setting]:
    """A work order that is begun, completed, and begun again."""
    said = {10: {"started_at": iso(T)}, 20: {"started_at": iso(T), "completed_at": iso(T + 600)}}
    said[30] = {"started_at": iso(T + 1800)}
    fields = {"external_id": "MWO-1", "name": "Grease", **said.get(minute, {})}
    return [Setting(plant.key(), LINE, T + 60 * minute, "maintenance_work_order", fields)] if minute in said else []


def _edit(plant: Plant, state: StartInterval) -> None:
    """A person changes category and comment of the state that is on, where Oden has it; the machine gives a reason, and
    a comment of its own."""
    there = [one for one in plant.intervals("STATE") if one.start == state.start]
    for one in there:
        place = {"type": {"name": "STATE"}, "line": {"name": one.line.name, "factory": {"name": one.line.factory}}}
        metadata = {**one.metadata, "category": {"name": "Planned Downtime"}, "comment": "by hand"}
        body = json.dumps({**place, "id": one.id, "metadata": metadata})
        plant.oden.model.answer("/v2/interval/set", body.encode())
    said = {
        "reason": "Jam",
        **({"comment": "code 17"} if there else {"category": "Planned Downtime", "comment": "by hand"}),
    }
    plant.commit(replace(plant.end(state, state.start - T), end=None, metadata=said))


def _states(plant: Plant) -> list[dict[str, object]]:
    """The states' metadata by name."""
    return [
        {
            name: value["name"] if isinstance(value, dict) else value
            for name, value in one.metadata.items()
            if name != "metadata_type"
        }
        for one in plant.intervals("STATE")
    ]


async def _watch(plant: Plant, said: list[str]) -> None:
    """Note what the page says, looked at each half minute."""
    while True:
        held, counts = plant.drain.health.api, plant.outbox.counts()
        records = {
            "waiting": 0,
            "sending": 0,
            "in_doubt": 0,
            "parked": 0,
            "dead": counts.dead,
            "unsettled": counts.unsettled,
        }
        outbox = OutboxStatus(records, None, 0.0, 0)  # type: ignore[arg-type] # the keys are those of Waiting
        oden = OdenStatus("", held.reason if held else None, None, None, None, None, {}, Histogram((), (0,), 0.0), 0.0)
        conditions = [
            *findings.delivery(oden, (), outbox, T),
            *findings.dead_letters(outbox),
            *findings.unsettled(outbox),
        ]
        said.extend(
            condition.text.partition(";")[0] for condition in conditions if condition.text.partition(";")[0] not in said
        )
        await asyncio.sleep(30.0)


def _to_do(plant: Plant) -> int:
    counts = plant.outbox.counts()
    return counts.waiting + counts.sending + counts.in_doubt
