"""What people do at Oden meanwhile, and what is true of a line because of it: they write comments, choose other
categories, and delete. Nothing of it may be undone, and nothing but what they have deleted may be missing.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.model import interval_key
from gateway.outbox.key_value import MemoryStore
from gateway.simulator.oden.store import Interval
from tests.campaign.oden import Oden
from tests.campaign.plant import CATEGORIES, CUSTOM, FACTORY, Story

DeedKind = Literal["comment", "category", "delete"]
KINDS: tuple[DeedKind, ...] = ("comment", "comment", "category", "category", "delete")

LONGEST = 120.0
"""Seconds for which a person waits until there is something to do."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody does this at `at`, seconds of the loop, to one of the intervals that Oden shows: `number` says which."""

    kind: DeedKind
    at: float
    number: int


Place = tuple[str, str, int]
"""An interval: the name of its line, its type and its start."""


@dataclass
class People:
    """Does deeds, and keeps what came of them."""

    edited: dict[Place, dict[str, str]] = field(default_factory=dict)
    deleted: set[Place] = field(default_factory=set)

    async def act(self, deed: Deed, oden: Oden, of: Callable[[], MemoryStore], stories: list[Story]) -> None:
        """Do it as soon as there is something to do it to. A person sees what is there and changes that: what a person
        and the gateway write in the same second is nobody's fault. `of` are the rows of the outbox as it is by then."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(deed.at)
        while loop.time() < deed.at + LONGEST:
            rows = of()
            places = sorted(self._possible(deed, oden, rows, stories), key=lambda place: place[0])
            if places and oden.up and not oden.at_work and not _is_changing(rows):
                self._do(deed, oden, *places[deed.number % len(places)])
                return
            await asyncio.sleep(1.0)

    def after(self, story: Story) -> Story:
        """The story as it is true with what people have done."""
        shown = []
        for one in story.shown:
            place = story.name, one.type, one.start
            if place not in self.deleted:
                details = dict(one.details) | self.edited.get(place, {})
                shown.append(one._replace(details=tuple(sorted(details.items()))))
        totals = {key: total for key, total in story.totals.items() if (story.name, *key) not in self.deleted}
        return replace(story, shown=shown, totals=totals)

    def deleted_of(self, *stories: Story) -> frozenset[str]:
        """The keys of the intervals of these lines that were deleted."""
        places = ((story, place) for story in stories for place in self.deleted if place[0] == story.name)
        return frozenset(interval_key(story.key, kind, at) for story, (_, kind, at) in places)

    def _possible(
        self, deed: Deed, oden: Oden, rows: MemoryStore, stories: list[Story]
    ) -> Iterator[tuple[Place, Interval]]:
        """What Oden shows that the gateway knows to be there: what it is still in doubt about it would make anew. What
        is counted in a PLC is told over the line, so that such a run cannot be missed."""
        kinds = ("STATE",) if deed.kind != "delete" else ("RUN", "BATCH", "STATE", CUSTOM)
        known = map(json.loads, rows.get_under("interval/").values())
        starts = {(one["line"], one["type"], one["oden_id"]): one["start"] for one in known if one.get("oden_id")}
        for story in stories:
            for kind in kinds if deed.kind != "delete" or story.plan is None else ("STATE",):
                for one in oden.model.intervals(kind, FACTORY, story.name):
                    start = starts.get((story.key, kind, one.id))
                    if start is not None and (place := (story.name, kind, start)) not in self.deleted:
                        yield place, one

    def _do(self, deed: Deed, oden: Oden, place: Place, one: Interval) -> None:
        name, kind, _ = place
        body = {"id": one.id, "type": {"name": kind}, "line": {"name": name, "factory": {"name": FACTORY}}}
        if deed.kind == "delete":
            if oden.by_hand("/v2/interval/delete", body):
                self.deleted.add(place)
            return
        said = {"comment": f"by hand {deed.number}"}
        if deed.kind == "category":
            said = {"category": CATEGORIES[deed.number % 2]}
        metadata = {**one.metadata, **said} if "comment" in said else {**one.metadata, "category": _named(said)}
        if oden.by_hand("/v2/interval/set", {**body, "metadata": metadata}):
            self.edited.setdefault(place, {}).update(said)


def _named(said: dict[str, str]) -> dict[str, str]:
    return {"name": said["category"]}


def _is_changing(rows: MemoryStore) -> bool:
    """Whether the gateway is between its look at an interval and what it writes of it."""
    return any("/updates " in key for key, _ in rows.items() if key.startswith("attempt/"))
