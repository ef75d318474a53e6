"""The law of laws through the whole delivery: lines whose messages come late, again, in bursts and around outages of
the broker, and what Oden must show of them all the same.

What is true of a line follows from its story alone. Its messages say when each thing was; only when they come is
decided here, so that nothing of what is true changes.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from math import floor
from typing import Any

from gateway.config.schema import Line
from gateway.mapping.compile import compile_line
from gateway.model import Output, Record, Scalar
from gateway.outbox.entries import DEAD_LETTER
from gateway.outbox.key_value import KeyValueStore
from gateway.outbox.lanes import DEAD, stored_record
from tests.campaign.plant import CODES, CUSTOM, EPOCH, FLOOR, REFERENCE, Mapped, Message, Shown, Story, described
from tests.campaign.schedule import Life, Schedule, of_machines

Outages = Sequence[tuple[float, float]]
"""From when to when the broker cannot be reached, in seconds of the loop."""

LATEST = 800.0
"""Seconds that a message is late at most; the way to Oden has its own delays, which the horizon leaves room for."""
HORIZON = 850.0
"""What a line is to remember, less what the gateway's clock can be off."""
WATCHED = 2.5
"""Seconds between two moves of the counter in the PLC, each of which is seen at its own time."""
PROMPT = 3
"""Each so manieth message of a topic comes at once: a sender of which all come late has a wrong clock."""


class _Late(Mapped):
    """A line with batches and an interval of the factory's own too, both by messages. Unless its PLC is out of sight
    now and then (`watched`), what that counts belongs to the run of its time."""

    def __init__(self, name: str, chances: random.Random, length: float, *, watched: bool) -> None:
        self.watched = watched
        super().__init__(name, chances, length)
        self._chain(length, "BATCH", "tank", "number", "Tank {}", [str(number) for number in range(1, 40)])
        self._chain(length, CUSTOM, "operator", "name", "{}", ["ann", "bob", "ann", "cyd"])
        self.story.messages.sort(key=_order)

    def line(self, name: str) -> dict[str, Any]:
        line = super().line(name)
        for key, field in (("tank", "number"), ("operator", "name")):
            line["inputs"][key] = {"source": FLOOR, "topic": f"{name}/{key}", "field": field, "time": "at"}
        line["batches"] = {"key": "tank", "name": "Tank {tank}", "without_run": True, "settle": "0s"}
        line["intervals"] = [{"type": CUSTOM, "key": "operator", "name": "{operator}", "settle": "0s"}]
        return line

    def _chain(self, length: float, kind: str, topic: str, field: str, name: str, values: Sequence[str]) -> None:
        """Intervals by a key, one right after the other or with none in between."""
        at, number = self.chances.uniform(1, 30), 0
        while at < length - 10:
            after = min(at + self.chances.uniform(6, 200), length)
            value, number = values[number % len(values)], number + 1
            self.say(at, topic, **{field: value})
            self.story.shown.append(Shown(kind, floor(EPOCH + at), floor(EPOCH + after), name.format(value), ()))
            if after >= length - 10 or self.chances.random() < 0.3:
                self.say(after, topic, **{field: ""})
                after += self.chances.uniform(3, 30)
            at = after

    def _is_seen(self, at: float) -> bool:
        return not self.watched or at - self.story.counts[-1][0] >= WATCHED

    def _counted_for(self, start: int) -> tuple[str, int]:
        return ("RUN", start) if self.watched else super()._counted_for(start)


def late_story(name: str, seed: int, length: float, *, watched: bool) -> Story:
    """A line as it is told where nothing is late."""
    return _Late(name, random.Random(seed), length, watched=watched).story


def corrected_story(name: str) -> Story:
    """A line on which one order is heard 60 s late, when the parts made in it have been told of the run before."""
    story = Story(name, compile_line(Line.model_validate(described(name)), ("lines", 0)))

    def say(at: float, topic: str, late: float = 0.0, **payload: Scalar) -> None:
        story.messages.append(Message(at + late, f"{name}/{topic}", {**payload, "at": EPOCH + at}))

    orders = (10, 140, 260, 320)
    for (begin, end), number in zip(pairwise(orders), ("X", "A", "B"), strict=True):
        say(begin + 0.5, "order", 60.0 * (number == "A"), number=number, sku="Film")
        start = int(EPOCH) + begin
        story.shown.append(Shown("RUN", start, int(EPOCH) + end, number, (("product", "Film"),)))
        story.totals["RUN", start] = Counter()
        for made in range(begin + 5, end, 10):
            say(made + 0.25, "scrap", qty=2, code=CODES[made // 10 % 2])
            story.totals["RUN", start][f"scrap {CODES[made // 10 % 2]}"] += 2
    for count in range(30):
        at = 5 + 10 * count
        say(at, "good", count=3 * count)
        start = int(EPOCH) + max((begin for begin in orders if begin < at), default=0)
        story.totals.setdefault(("RUN", start), Counter())["yield"] += 3 * bool(count)
    del story.totals["RUN", int(EPOCH)]
    say(orders[-1] + 0.5, "order", number="", sku="")
    story.counts.append((0.0, 0))
    story.messages.sort(key=_order)
    return story


def late_schedule(seed: int) -> Schedule:
    """Messages that come late, an Oden with faults, and, of every second seed, a gateway that is killed now and then.
    Where it is not, its clock is right, and those of some senders are ahead."""
    chances = random.Random(seed)
    plan = replace(of_machines(seed), mapped=chances.randint(1, 2), recorded=0, troubles=(), late=True)
    lives = plan.lives if seed % 2 else (Life(),)
    return replace(plan, modes=replace(plan.modes, refuse=""), lives=lives, until=plan.length + LATEST)


def made_outages(chances: random.Random, length: float) -> Outages:
    """Up to two, one after the other, at least a while apart."""
    ends = sorted(chances.uniform(15, length) for _ in range(chances.choice((0, 0, 2, 4))))
    pairs = [*zip(ends[::2], ends[1::2], strict=True)]
    return [pair for pair, before in zip(pairs, [(0.0, 0.0), *pairs], strict=False) if pair[0] - before[1] > 5]


def disturbed(story: Story, chances: random.Random, outages: Outages) -> Story:
    """The story with its messages as they come: some late, in any order; some again; some in bursts."""
    latest = chances.choice((0.0, 1.5, 40.0, LATEST))
    share = chances.choice((0.1, 0.5, 0.9))
    again = chances.choice((0.0, 0.2))
    bursts = sorted(chances.uniform(0, latest + 400) for _ in range(6))
    came: list[Message] = []
    counts: dict[str, int] = {}
    for message in story.messages:
        counts[message.topic] = number = counts.get(message.topic, 0) + 1
        at = message.at
        if number % PROMPT and chances.random() < share:
            at += chances.uniform(0, latest)
            later = [burst for burst in bursts if at <= burst < message.at + LATEST]
            at = later[0] if later and chances.random() < 0.3 else at
        came.append(message._replace(at=_in_time(message.at, at, outages)))
        while not message.topic.endswith("scrap") and chances.random() < again:
            came.append(message._replace(at=_in_time(message.at, at + chances.uniform(0, latest + 30), outages)))
    return replace(story, messages=sorted(came, key=_order))


def with_clocks_ahead(story: Story, truth: Story, chances: random.Random, outages: Outages) -> Story:
    """The disturbed story where the clocks of some senders are ahead by some seconds, each by the same all the time. A
    sender of which the first message comes late, or in an outage, has a right one: nothing shows yet that it is
    ahead."""
    came, true = ({message.topic: message.at for message in reversed(each.messages)} for each in (story, truth))
    ahead = {topic: chances.choice((0.0, 0.5, 1.5, 4.75)) for topic in sorted(true)}
    for topic, at in true.items():
        if came[topic] != at or any(since <= at < until for since, until in outages):
            ahead[topic] = 0.0
    said = [
        message._replace(payload={**message.payload, "at": message.payload["at"] + ahead[message.topic]})
        for message in story.messages
    ]
    return replace(story, messages=said)


def _in_time(said: float, at: float, outages: Outages) -> float:
    """When what was `said` then comes, where it comes so that it can be put in its place."""
    for since, until in outages:
        if since <= at < until and said < since and until - said > HORIZON:
            return since
    return min(at, said + LATEST)


def _order(message: Message) -> tuple[float, str, str]:
    return message.at, message.topic, message.text


def too_soon(body: bytes, rows: KeyValueStore) -> Iterator[str]:
    """Where the request, which takes effect now, takes from an interval what no other has got yet, by the outbox: then
    Oden shows too little."""
    data = json.loads(body)["data"]
    raw_data, stamp = data["raw_data"], datetime.fromisoformat(data["timestamp"]).timestamp()
    if not any(isinstance(value, int | float) and value < 0 for value in raw_data.values()):
        return
    left = [one for one in _left(rows) if isinstance(one, Output)]
    keys = {one.key for one in left}
    said = {name: value for name, value in raw_data.items() if name != REFERENCE}
    taken = [one for one in left if (one.timestamp, {**one.raw_data}) == (stamp, said)]
    if not any(one.after and keys.isdisjoint(one.after) for one in taken):
        yield f"taken off before it was added elsewhere: {data}"


def _left(rows: KeyValueStore) -> Iterator[Record]:
    """The records that are not delivered."""
    for key, text in rows.items():
        if key.startswith(f"record/{DEAD}/"):
            yield DEAD_LETTER.validate_json(text).record
        elif key.startswith("record/"):
            yield stored_record(text).record
