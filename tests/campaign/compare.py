"""What Oden shows of a line against what is true of it."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from gateway.simulator.oden.manners import LONGEST_NAME, Manners
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Interval
from tests.campaign.plant import CUSTOM, FACTORY, ON_A_TAG, REFERENCE, Shown, Story, Totals, total_of

_NUMBER = re.compile(r" \([2-9]\)$")


def kept(story: Story, manners: Manners) -> Story:
    """The story as an Oden of these manners keeps it: with what it rounds and shortens."""
    step = manners.rounds or 1
    shown = [
        one._replace(
            start=one.start // step * step,
            name=one.name[:LONGEST_NAME] if one.name is not None and manners.names == "short" else one.name,
        )
        for one in story.shown
    ]
    totals: Totals = {}
    for (kind, start), total in story.totals.items():
        totals.setdefault((kind, start // step * step), Counter()).update(total)
    return replace(story, shown=shown, totals=totals)


def differences(
    story: Story, model: OdenModel, without: Collection[tuple[str, int]] = (), *, late: bool = False
) -> list[str]:
    """Each interval that is missing, wrong or too much, and each total that is not exact; nothing where all is as it
    must be. Intervals `without`, by type and start, are not looked at. `late`: messages come late, so that what is on
    still can have been told never to have been, and is a second long until its end is told.
    """
    there = [
        one
        for kind in ("RUN", "BATCH", "STATE", CUSTOM)
        for one in model.intervals(kind, FACTORY, story.name)
        if (kind, one.start) not in without
    ]
    shown = Counter(map(_shown, there))
    if model.manners.names == "unique":
        # Which of those of one name was first nobody knows: it was told by itself, the others with a number.
        shown = Counter(
            one._replace(name=_NUMBER.sub("", one.name) if one.name else one.name) for one in shown.elements()
        )
    told = Counter(_as_told(one, shown) for one in story.shown) if late else Counter(story.shown)
    wrong = [f"{story.name}: missing at Oden: {one}" for one in (told - shown).elements()]
    wrong += [f"{story.name}: at Oden, and should not be: {one}" for one in (shown - told).elements()]
    return [*wrong, *_in_totals(story, _totals(model, there))]


def _as_told(one: Shown, shown: Collection[Shown]) -> Shown:
    sliver = one._replace(end=one.start + 1)
    return sliver if one.end is None and one not in shown and sliver in shown else one


def _shown(interval: Interval) -> Shown:
    details = {
        key: value["name"] if isinstance(value, Mapping) else str(value)
        for key, value in interval.metadata.items()
        if key not in ("metadata_type", REFERENCE)
    }
    return Shown(interval.type, interval.start, interval.end, interval.name, tuple(sorted(details.items())))


def _totals(model: OdenModel, intervals: list[Interval]) -> Totals:
    totals: Totals = {}
    for interval in intervals:
        total = totals.setdefault((interval.type, interval.start), Counter())
        for entry in model.output(interval):
            total.update(total_of(entry.raw_data, entry.timestamp))
    return totals


def _in_totals(story: Story, there: Totals) -> Iterator[str]:
    """What is counted in a PLC is compared over the line, all else for each interval."""
    tagged = story.totals.get((ON_A_TAG, 0), Counter())
    for what, amount in tagged.items():
        found = sum(total.pop(what, 0) for total in there.values())
        if found != amount:
            yield f"{story.name}: {what} is {found} at Oden, and {amount} in the plant"
    for key in sorted(story.totals.keys() | there.keys()):
        plant, oden = story.totals.get(key, Counter()), there.get(key, Counter())
        if key[0] != ON_A_TAG and +plant != +oden:
            more, less = dict(oden - plant), dict(plant - oden)
            yield f"{story.name}: output of {key}: at Oden {more} too much, {less} too little"


def too_little(story: Story, model: OdenModel) -> list[str]:
    """What Oden shows less of, over all runs of the line, than was made."""
    there: Counter[str] = Counter()
    for run in model.intervals("RUN", FACTORY, story.name):
        for entry in model.output(run):
            there.update(total_of(entry.raw_data, entry.timestamp))
    made: Counter[str] = Counter()
    for (kind, _), total in story.totals.items():
        if kind in ("RUN", ON_A_TAG):
            made.update(total)
    return [f"{story.name}: {amount} {what} too little" for what, amount in (made - there).items()]
