"""Maintenance work orders of a line: begun, completed, and begun again under the same number; told by messages or as
records. What Oden must show of them is told from the story alone: each time that one was done, once, whichever way this
Oden goes with orders that are completed.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gateway.model import Setting, record_key
from gateway.oden.exchange import iso
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import WorkOrder
from tests.campaign.lost import Lost
from tests.campaign.plant import EPOCH, FACTORY, Message, Story

NUMBERS = 2
"""How many orders a line has at the most, each done again and again."""


class Done(NamedTuple):
    """One time that a work order was done: from when to when, None while it goes on."""

    number: str
    name: str
    begun: int
    completed: int | None = None


class Word(NamedTuple):
    """What is said at `at`, seconds of the loop, of the order that is `done` so by then; `whole`: of its beginning as
    well as of its end."""

    at: float
    done: Done
    whole: bool

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the record, or of the message, that says it."""
        done = self.done
        said = {"external_id": done.number}
        if done.completed is None or self.whole:
            said |= {"name": done.name, "started_at": iso(done.begun)}
        return said | ({"completed_at": iso(done.completed)} if done.completed is not None else {})


def words(line: str, chances: random.Random, length: float, *, whole: bool) -> list[Word]:
    """What is said of the orders of a line, in order; `whole`: of an end never without its beginning."""
    said: list[Word] = []
    for number in range(chances.randint(1, NUMBERS)):
        name, at = f"MWO {line} {number}", chances.uniform(15, length / 2)
        while at < length - 30:
            begun = Done(name, f"Grease {chances.randint(1, 9)}", int(EPOCH + at))
            after = at + chances.uniform(5, 200)
            done = begun._replace(completed=int(EPOCH + after))
            if chances.random() < 0.8:
                said += [Word(at + late, begun, whole=True) for late in chances.choice(((0.0,), (0.0, 2.5)))]
                says_all = whole or chances.random() < 0.5
            else:
                says_all = True  # it is told only once it is over
            if after >= length - 20:
                break
            said += [Word(after + late, done, whole=says_all) for late in chances.choice(((0.0,), (0.0, 1.5)))]
            at = after + chances.uniform(4, 150)
    return sorted(said)


def with_orders(story: Story, seed: int, length: float, *, whole: bool) -> Story:
    """The story with the orders that its line has too. `whole` as in `words`."""
    told = words(story.name, random.Random(seed), length, whole=whole)
    if story.plan is not None:
        topic = f"{story.name}/work"
        more = [Message(word.at, topic, {**word.fields, "at": EPOCH + word.at}) for word in told]
        return replace(story, messages=sorted([*story.messages, *more]), orders=told)
    records = list(story.records)
    for place, word in enumerate(told):
        order = Setting(_key(story, place), story.key, EPOCH + word.at, "maintenance_work_order", word.fields)
        records.append((word.at, (order,)))
    return replace(story, records=sorted(records, key=lambda record: record[0]), orders=told)


def true_of(story: Story) -> dict[tuple[str, int], Done]:
    """How each order was done in the end, by its number and beginning."""
    done: dict[tuple[str, int], Done] = {}
    for word in story.orders:
        done[word.done.number, word.done.begun] = word.done
    return done


def differences(story: Story, model: OdenModel, lost: Lost, put_back_at: float | None) -> Iterator[str]:
    """What is wrong with the orders at Oden. After an older copy was put back, at `put_back_at` the last time, each is
    there once and true all the same; whole is what no copy has forgotten a word of, as that nobody tells again."""
    true, forgotten = true_of(story), _forgotten(story, lost, put_back_at)
    there = model.orders(FACTORY, story.name)
    for place, times in Counter(map(_place, there)).items():
        if times > 1:
            yield f"{story.name}: {times} times at Oden: order {place}"
    for one in there:
        done = true.get(_place(one))
        if done is None:
            yield f"{story.name}: at Oden, and never was: {one}"
        elif one.name != done.name or one.completed_at not in (done.completed, None):
            yield f"{story.name}: at Oden otherwise than it was: {one}, {done}"
        elif one.completed_at != done.completed and _place(one) not in forgotten:
            yield f"{story.name}: at Oden as not completed: {one}, {done}"
    for place in sorted(true.keys() - forgotten - {*map(_place, there)}):
        yield f"{story.name}: missing at Oden: {true[place]}"


def _place(one: WorkOrder) -> tuple[str, int]:
    return one.external_id, one.started_at


def _forgotten(story: Story, lost: Lost, put_back_at: float | None) -> set[tuple[str, int]]:
    """The orders of which a copy has forgotten a word: by messages, all of which something was said before that."""
    if story.plan is not None:
        words_of = [word for word in story.orders if put_back_at is not None and word.at <= put_back_at]
        return {(word.done.number, word.done.begun) for word in words_of}
    records = [record for number in lost.forgotten for record in story.records[number][1]]
    keys = {record.key for record in records if isinstance(record, Setting)}
    return {
        (word.done.number, word.done.begun) for place, word in enumerate(story.orders) if _key(story, place) in keys
    }


def _key(story: Story, place: int) -> str:
    return record_key(f"{story.key} orders", place, EPOCH)
