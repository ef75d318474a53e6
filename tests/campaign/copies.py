"""Lines whose messages are mapped, and of which an older copy of the outbox is put back while the plant and Oden go on.

Which of them a run was for that only a later life has heard of nobody can know: what is made counts for the line. But
no interval is there twice, nor one that never was, and of each kind Oden shows what was made and not a part more;
of counters, nor a part less once they have shown it all to the memory that was put back last; of events, what it showed
when that was put back, and each that came afterwards.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from gateway.mapping.state_rows import StateRows
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.simulator.oden.model import OdenModel
from tests.campaign.plant import AUTOMATIC, CODES, FACTORY, ON_A_TAG, Message, Story, total_of
from tests.campaign.schedule import OTHERS, SETTING_UP, SETTLE, Life, Schedule, of_machines, ordering, with_ways

_EVENTS = frozenset(f"scrap {code}" for code in CODES)


def copied_schedule(seed: int) -> Schedule:
    """What goes wrong with machines, and copies that are put back between lives."""
    chances = random.Random(seed)
    plan = of_machines(seed)
    plan = replace(plan, mapped=max(1, plan.mapped), recorded=min(plan.recorded, 2))
    ends = [life for life in plan.lives[1:-1] if life.seconds < plan.length]
    while len(ends) < 2:
        ends.append(Life(seconds=chances.uniform(5, plan.length / 3), gently=chances.random() < 0.5))
    lives = [SETTING_UP]
    for place, life in enumerate([*ends, plan.lives[-1]], 1):
        back = chances.randint(1, min(place - 1, 3)) if place > 1 and chances.random() < 0.5 else 0
        lives.append(replace(life, back=back, forgets=chances.random() < 0.2))
    if not any(life.back for life in lives):
        lives[-1] = replace(lives[-1], back=1)
    # Nobody can know what the life before has sent just now: neither the copy nor the machine has seen it.
    rests = [max(life.away, SETTLE) if after.back else life.away for life, after in pairwise(lives)]
    lives = [replace(life, away=rest) for life, rest in zip(lives, [*rests, 0.0], strict=True)]
    modes = replace(plan.modes, refuse="", overlap=200)
    return replace(plan, modes=modes, lives=with_ways(lives, seed), orders=ordering(seed))


def away_schedule(seed: int) -> Schedule:
    """Copies that are put back one after another before Oden can be asked about the first: it is away when such a life
    begins, and there again for a while in the life of which the next copy is none."""
    chances = random.Random(seed + OTHERS)
    plan = keyless_schedule(seed) if chances.random() < 0.3 else copied_schedule(seed)
    begun = SETTING_UP.seconds + SETTING_UP.away
    lives, outages = [SETTING_UP], list[tuple[float, float]]()

    def lives_for(seconds: float, away: float, back: int) -> None:
        nonlocal begun
        lives.append(Life(seconds=seconds, gently=chances.random() < 0.5, away=away, back=back))
        begun += seconds + away

    lives_for(chances.uniform(60, 150), SETTLE, 0)
    for _ in range(chances.randint(2, 3)):
        since = begun - 1.0
        lives_for(chances.uniform(15, 90), 1.0, 1)
        outages.append((since, begun - since + chances.uniform(-0.5, 5)))
        if chances.random() < 0.8:
            lives_for(chances.uniform(90, 200), SETTLE, 0)
        else:
            lives_for(chances.uniform(5, 20), SETTLE, 0)
            outages[-1] = since, begun - since - SETTLE
    outages.append((begun - 1.0, chances.uniform(20, 200)))
    lives.append(Life(back=1))
    return replace(plan, lives=with_ways(lives, seed), restarts=tuple(outages), length=max(plan.length, begun + 240))


def keyless_schedule(seed: int) -> Schedule:
    """The same where entries at Oden do not carry our keys. All lines are mapped: only of these Oden is asked what
    another life may have told within a later entry."""
    return replace(copied_schedule(seed), recorded=0, keyless=True)


def least(story: Story, model: OdenModel, to_come: Sequence[Message]) -> Counter[str]:
    """How much of which events Oden is to show in the end at the least, where an older copy is put back now and these
    messages are `to_come`."""
    found = Counter({what: amount for what, amount in _shown(story, model).items() if what in _EVENTS})
    found.update(_events(story, to_come))
    return found


def of_copies(
    story: Story, model: OdenModel, rows: MemoryStore, again: Sequence[Message], since: float, events: Counter[str]
) -> Iterator[str]:
    """What is wrong of a line where an older copy was put back, the last time at `since`. The events that were sent
    `again` to it are counted once more; at the `least` so many `events` are told."""
    true = {(one.type, one.start) for one in story.shown}
    there = [(kind, one.start) for kind in ("RUN", "STATE") for one in model.intervals(kind, FACTORY, story.name)]
    for place, times in sorted(Counter(there).items()):
        if times > 1:
            yield f"{story.name}: {times} times at Oden: {place}"
        if place not in true:
            yield f"{story.name}: at Oden, and never was: {place}"
    shown, waits, made = _shown(story, model), _waiting(story, rows), _made(story)
    made.update(_events(story, again))
    # What Oden shows beyond all that the memory will ever count is taken off what the counter counts next.
    for what, more in (shown + waits - made - _credited(story, rows)).items():
        yield f"{story.name}: {what} is {shown[what]} at Oden, {waits[what]} waits, {more} more than was made"
    counted = [f"scrap {AUTOMATIC}"]
    if any(message.at > since for message in story.messages if message.topic == f"{story.name}/good"):
        counted.append("yield")
    for what in counted:
        if (less := made[what] - shown[what] - waits[what]) > 0:
            yield f"{story.name}: {what} is {shown[what]} at Oden, {waits[what]} waits, {less} less than was made"
    for what, less in (events - shown - waits).items():
        yield f"{story.name}: {what} is {shown[what]} at Oden, {waits[what]} waits, {less} less than came"


def _events(story: Story, messages: Sequence[Message]) -> Counter[str]:
    """What those of the messages count that are events of the line."""
    counted: Counter[str] = Counter()
    for message in messages:
        if message.topic == f"{story.name}/scrap":
            counted[f"scrap {message.payload['code']}"] += message.payload["qty"]
    return counted


def _shown(story: Story, model: OdenModel) -> Counter[str]:
    shown: Counter[str] = Counter()
    for run in model.intervals("RUN", FACTORY, story.name):
        for entry in model.output(run):
            shown.update(total_of(entry.raw_data, entry.timestamp))
    return shown


def _made(story: Story) -> Counter[str]:
    made: Counter[str] = Counter()
    for (kind, _), total in story.totals.items():
        if kind in ("RUN", ON_A_TAG):
            made.update(total)
    return made


def _credited(story: Story, rows: MemoryStore) -> Counter[str]:
    """What is to be taken off what is counted next, of the two counters."""
    credit = StateRows(Outbox(rows).line_state(story.key)).state(story.plan).output.credit if story.plan else {}
    names = {0: "yield", 1: f"scrap {AUTOMATIC}"}
    return Counter({names[place]: int(one.amount) for place, one in credit.items() if place in names})


def _waiting(story: Story, rows: MemoryStore) -> Counter[str]:
    """What waits for a run that is yet to come."""
    waits: Counter[str] = Counter()
    if story.plan is None:
        return waits
    for amount in StateRows(Outbox(rows).line_state(story.key)).state(story.plan).output.pending:
        raw_data = dict(amount.key.raw_data) | dict.fromkeys(amount.key.amount_names, amount.amount)
        waits.update(total_of(raw_data, None))
    return waits
