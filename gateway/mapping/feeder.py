"""The way of a line's samples into its steps, in the order of the plant's time: what comes late is put in its place.

`step` takes samples in the order in which they are given to it. A message that has a time of its own (`time`) can come
later than others that speak of a later time. So the line's newest samples are remembered, with states from in between,
for as long as the plan says (`late`): the *trail*. A message that comes late goes where it belongs, everything from
there on is stepped again, and what was told of that time is compared with what should have been (`facts`); the
difference is told.

In the order in which they come are: values of tags and metrics, messages without a time of their own, and those that
a broker had kept. A message with its own time is stepped at that time, so that it makes no difference whether it
comes in order or is put there later; but where it is in order and BEHIND, as after an outage, it is stepped when it
comes, so that nothing runs out between it and the next. It is late too where something has run out since the newest
of all that was heard, and it can show that never to have been. Messages that come late are gathered in `Feed.late` and
put in their places together, when none has come for some seconds (`Feed.settles_at`): a time of the line like that of
any other timer, so that it makes no difference how what comes is cut into batches.

One that is older than the trail is left to the line's rules for times that are past; so are all, with no trail.

*The line's clock* stands for what rests on a source that is not heard (`hearing`). A source that is back is heard out
first: until nothing has come of the time that it was lost for HEARD_OUT seconds, or for LONGEST_BACKLOG at most. Then
it is heard, and what had to wait for it is decided. Late messages are put in their places before anything runs out.
One that has kept what it would have said is heard with that (`recovery.put_back`).
"""

from collections.abc import Iterator
from functools import reduce
from math import inf
from operator import itemgetter

from gateway.frozen import replace
from gateway.mapping.again import Slices, at_once, corrected, recalled
from gateway.mapping.clocks import CALM
from gateway.mapping.compile import LinePlan
from gateway.mapping.folds import with_fold
from gateway.mapping.inputs import SOON, is_outdated
from gateway.mapping.judged import as_known, clock_of, decided, is_live, judged, own_time
from gateway.mapping.line import LineState, LineSteps, Step, Tick, after_absence
from gateway.mapping.line import due as line_due
from gateway.mapping.recovery import left_out, put_back
from gateway.mapping.said import Said, left_out_again
from gateway.mapping.sessions import BEHIND, moved
from gateway.mapping.streams import stream_of
from gateway.mapping.taken_back import set_back_by, taken_back
from gateway.mapping.told_once import with_what_stays
from gateway.mapping.trail import Entry, Feed, Waiting, both, shortened, told_by, with_time
from gateway.model import Contact, Moment, Notice, Recovered, Sample

Event = Sample | Moment | Contact | Recovered | Tick
"""What comes to a line."""

HEARD_OUT = 2.0
"""A source is heard again once nothing of a backlog has come of it for so many seconds,"""
LONGEST_BACKLOG = 60.0
"""or so many seconds after it was back."""


def feed(plan: LinePlan, line: Feed, event: Event) -> tuple[Feed, Step]:
    """What `event` makes of a line: the line after it, and what is to be told.

    The samples of a moment are one step, but for messages that have times of their own: each of these is one.
    """
    if needs_preparation(plan, line, event):
        line, told = at_once(prepared(plan, line, event))
        line, result = feed(plan, line, event)
        return line, both(told, result)
    if isinstance(event, Recovered):  # it is put back where the line remembers what it heard
        return line, Step(line.state, notices=() if plan.remembers else left_out(event, len(event.moments)))
    if not line.state.lost:
        return _feed(plan, line, event)
    line, heard = _hear(plan, line, event)
    line, result = _feed(plan, line, event)
    return line, both(heard, result)


def after_restart(plan: LinePlan, line: Feed) -> Feed:
    """The line where the gateway was off since: no source is heard until it is again."""
    state = after_absence(plan, line.state)
    if line.plan is None or line.recalled:
        return replace(line, state=state)
    now, number = state.now, line.numbered
    contacts = [Contact(source, now, "unheard", now) for source in sorted(state.lost)]
    entries = [Entry(now, contact, None, number=number + place) for place, contact in enumerate(contacts, 1)]
    return replace(line, state=state, newest=(*line.newest, *entries), numbered=number + len(entries))


def due(plan: LinePlan, line: Feed) -> float | None:
    """When the line's next timer fires, or a source has been heard out."""
    heard = min((at for at, _ in _heard_out(line)), default=None) if line.state.lost else None
    return min(filter(None, (_first_timer(plan, line), heard, line.settles_at)), default=None)


def _first_timer(plan: LinePlan, line: Feed) -> float | None:
    """When the first timer of the line's state fires, if one does."""
    rests_until = line.rests_until(plan)
    if rests_until is None:
        return line_due(plan, line.state)
    return rests_until if rests_until < inf else None


def _heard_out(line: Feed) -> Iterator[tuple[float, Contact]]:
    """When the sources that are back will have been heard out."""
    for source, loss in line.state.lost.items():
        if loss.back is not None:
            latest = max(loss.back, line.behind.get(source, loss.back))
            at = min(latest + HEARD_OUT, loss.back + LONGEST_BACKLOG)
            yield at, Contact(source, at, "heard", loss.back)


def _hear(plan: LinePlan, line: Feed, event: Sample | Moment | Contact | Tick) -> tuple[Feed, Step]:
    """What `event` says of the sources that were lost, beside what it means: one of which something comes is back, and
    one is heard out when it is time."""
    told, now = Step(line.state), time_of(event)
    while (out := min(_heard_out(line), default=None, key=itemgetter(0))) is not None and out[0] <= now:
        line, result = _feed(plan, line, out[1])
        told = both(told, result)
    for sample in event.samples if isinstance(event, Moment) else (event,):
        loss = line.state.lost.get(sample.source) if isinstance(sample, Sample) else None
        if not isinstance(sample, Sample) or loss is None or sample.quality == "bad":
            continue
        if loss.back is None:
            line, result = _feed(plan, line, Contact(sample.source, now, "back", now))
            told = both(told, result)
        said = own_time(plan, with_fold(plan, line, sample)) or sample.device_time
        if sample.initial or (said is not None and sample.received - said > BEHIND):
            line = replace(line, behind={**line.behind, sample.source: now})
    return line, told


def _feed(plan: LinePlan, line: Feed, event: Sample | Moment | Contact | Tick) -> tuple[Feed, Step]:
    if isinstance(event, Moment) and any((sample.source, sample.address) in plan.timed for sample in event.samples):
        told = Step(line.state)
        for sample in event.samples:
            line, result = _feed(plan, line, sample)
            told = both(told, result)
        return line, told
    if isinstance(event, Contact):
        line = _calming(line, event)
    if not plan.timed and not plan.remembers:
        steps = line.steps_by(plan)
        steps.on(event)
        result = steps.result()
        return line.only(steps), result
    if plan.remembers and line.plan is not plan:
        line = line.begun_anew(plan)
    if isinstance(event, Tick):
        steps = line.steps_by(plan)
        steps.on(event)
        result = steps.result()
        return with_time(line, result).with_state(steps), result
    if not isinstance(event, Sample):
        return _in_order(plan, line, event, None)
    if plan.zoned:
        event = with_fold(plan, line, event)
    said = own_time(plan, event)
    if said is not None and event.retained and not _is_news(plan, line.state, event):
        said = None
    if said is not None:
        came, notices = event, tuple[Notice, ...]()
        if event.retained:  # it says nothing of its sender's clock: the broker had it for who knows how long
            event = as_known(event, clock_of(plan, line, event))
        else:
            line, event, notices, is_doubted = judged(plan, line, came, said)
            if is_doubted:
                line, passed = _feed(plan, line, Tick(event.received))
                return replace(line, late=(*line.late, Waiting(event, said, line.numbered))), passed
        if not event.distrust:
            said = said if event is came else own_time(plan, event) or said
            shows_delay = not event.retained and is_live(line, event)
            delays = ((plan.timed_by(event), event.received - said),) if shows_delay else ()
            line, result = _take_timed(plan, line, event, said)
            return line, replace(result, notices=notices + result.notices, delays=delays)
    elif event.retained:
        event = as_known(event, clock_of(plan, line, event))
    return _in_order(plan, line, event, None)


def _calming(line: Feed, contact: Contact) -> Feed:
    """The line after a source is lost, or heard again: for a while, what it says can be of a backlog."""
    behind = {source: at for source, at in line.behind.items() if source != contact.source}
    return replace(line, behind=behind, calm_from={**line.calm_from, contact.source: contact.received + CALM})


def _take_timed(plan: LinePlan, line: Feed, event: Sample, said: float) -> tuple[Feed, Step]:
    """Take a message that has a time of its own, `said`, which is one to go by."""
    if not plan.remembers:
        return _by_itself(plan, line, event, said)
    passed, timer = Step(line.state), _first_timer(plan, line)
    is_late, is_old = _is_late(line, said), _is_outdated(plan, line.state, event, said)
    if is_late or is_old or line.state.owed or (timer is not None and timer <= event.received):
        line, passed = _feed(plan, line, Tick(event.received))
        is_late = is_late or _is_late(line, said)
    if is_late:
        return replace(line, late=(*line.late, Waiting(event, said, line.numbered))), passed
    if is_old:  # it is newer than the trail, so that was before it, and a restart
        return line, both(passed, Step(line.state, notices=(left_out_again(event),)))
    forgotten = _forgotten(line, said)
    if event.received - said > BEHIND:
        then = replace(event, source_time=said + event.ahead)  # for what of it has no time of its own
        line, result = _in_order(plan, line, then, said, at=said)
    else:
        came = event if event.received == said else replace(event, received=said)
        line, result = _in_order(plan, line.before(said), came, said, at=said)
    return line, both(passed, with_what_stays(plan, forgotten, result, event, said))


def _is_late(line: Feed, said: float) -> bool:
    """Whether something of a later time than `said` was heard, or has run out; or time has told something since."""
    return said < max(line.heard, line.ran_out) or line.told_since


def _forgotten(line: Feed, said: float) -> LineState | None:
    """The line as its trail began anew, where that was after the time `said`: what was told by then is not known."""
    after = line.base.after if line.base is not None and not line.base.at else None
    return after if after is not None and said < after.now else None


def needs_preparation(plan: LinePlan, line: Feed, event: Event) -> bool:
    """Whether something is to be done for the line before it can take `event`, which may take long: `prepared`."""
    if not plan.remembers:
        return line.plan is not None or bool(line.late)
    if line.plan is not plan or not line.recalled:
        return True
    if isinstance(event, Recovered):
        return line.recovered.get(event.source) != event.received
    if line.late and _settles_at(plan, line) <= time_of(event):
        return True
    return bool(line.clocks) and any(set_back_by(plan, line, event))


def _settles_at(plan: LinePlan, line: Feed) -> float:
    """When the messages that came late are put in their places: when that is due, before something runs out, or with
    that a source is heard again, since it has said them."""
    if line.settles_at is None:
        return inf
    timer, heard = _first_timer(plan, line), min((at for at, _ in _heard_out(line)), default=inf)
    runs_out, settles_at = (
        inf if timer is None else max(timer, line.late[-1].sample.received),
        min(line.settles_at, heard),
    )
    if runs_out >= settles_at:
        return settles_at
    doubted = next((late.sample.received + HEARD_OUT for late in reversed(line.late) if late.sample.distrust), runs_out)
    return min(settles_at, max(runs_out, doubted))


def prepared(plan: LinePlan, line: Feed, event: Event) -> Slices[tuple[Feed, Step]]:
    """The line as it is before `event`: with its trail, and with the messages in their places that came late, where
    that is due by then. What is told by that is to be told. Pauses often."""
    told = Step(line.state)
    if line.plan is not None and line.plan is not plan:
        line, told = yield from settled(line.plan, line)
    if not plan.remembers:
        line, result = _all_by_themselves(plan, line)
        return line, both(told, result)
    if line.plan is not plan:
        line = line.begun_anew(plan)
    if not line.recalled:
        line = yield from recalled(plan, line)
    while line.late and (settles_at := _settles_at(plan, line)) <= time_of(event):
        line, result = yield from settled(plan, line, settles_at)
        told = both(told, result)
    if isinstance(event, Recovered):
        line, result = yield from put_back(plan, line, event)
        told = both(told, result)
    for sample, since in [*set_back_by(plan, line, event)]:
        line, result = yield from settled(plan, line, sample.received)
        line, other = yield from taken_back(plan, line, sample, since)
        told = both(told, both(result, other))
    return line, told


def settled(plan: LinePlan, line: Feed, at: float = inf) -> Slices[tuple[Feed, Step]]:
    """Put the messages that came late in their places, at the time at which that is due, or earlier `at` a time: what
    that makes of a line."""
    settles_at = line.settles_at
    if settles_at is None:
        return line, Step(line.state)
    if not line.recalled:
        line = yield from recalled(plan, line)
    line, result = yield from _put_in_place(plan, line, min(settles_at, at))
    return line, result


def time_of(event: Event) -> float:
    """When the event came, on the gateway's clock."""
    return event.at if isinstance(event, Tick) else event.received


def _in_order(
    plan: LinePlan,
    line: Feed,
    sample: Sample | Moment | Contact,
    said: float | None,
    *,
    at: float | None = None,
    again: bool = False,
) -> tuple[Feed, Step]:
    """Step a sample as it comes. Its place is at the line's time, or `at` another."""
    steps = line.steps_by(plan)
    steps.on(sample)
    result = steps.result()
    if not plan.remembers:
        return line.with_state(steps), result
    place = result.state.now if at is None else at
    entry = Entry(place, sample, result.state, said, told_by(result), again=again, number=line.numbered + 1)
    return shortened(line.with_newest(steps, entry)), result


# What comes late


def _by_itself(plan: LinePlan, line: Feed, message: Sample, said: float) -> tuple[Feed, Step]:
    """Take a message by itself, whenever it comes: older than what was known of it, it is left out and listed."""
    if _is_outdated(plan, line.state, message, said):
        return line, Step(line.state, notices=(left_out_again(message),))
    after, result = _in_order(plan, line, message, said)
    return after, with_what_stays(plan, line.state, result, message, said)


def _all_by_themselves(plan: LinePlan, line: Feed) -> tuple[Feed, Step]:
    """The line without a trail, and what the messages come to that wait for their places in it."""
    late, line, told = line.late, replace(line.begun_anew(), late=()), Step(line.state)
    for sample, said, _ in late:
        line, result = _by_itself(plan, line, sample, said)
        told = both(told, result)
    return line, told


def _put_in_place(plan: LinePlan, line: Feed, at: float) -> Slices[tuple[Feed, Step]]:
    """Put the messages that came late in their places `at` a time; their own lie before what the line has stepped."""
    came = decided(line)
    late = sorted((each for each in came if not each.sample.distrust), key=itemgetter(1))
    heard = [contact for out, contact in sorted(_heard_out(line), key=itemgetter(0)) if out <= at]
    line, result = replace(line, late=()), Step(line.state)
    new = [each._replace(said=each.sample.received) for each in came if each.sample.distrust]
    since = min((waiting.said for waiting in late), default=at) - SOON
    entries, streams = line.since(since), {stream_of(sample) for sample, _, _ in late}
    known, together = Said(plan, streams, entries, since), Said(plan, streams)
    newest_late = {stream_of(sample): said for sample, said, _ in late}
    at_beginning = entries[0] is line.base  # which has no place in time where the trail began anew
    for waiting in late:
        sample, said, _ = waiting
        if together.last_said(sample) is not None:
            continue
        before = known.last_said(sample)
        is_repeat, newest = before is not None, known.newest(sample)
        is_older, base = said < entries[0].at and not is_repeat, entries[0].after
        if is_older and _is_outdated(plan, base, sample, said):
            result = both(result, Step(line.state, notices=(left_out_again(sample),)))
            if not _was_said(plan, base, sample):
                result = with_what_stays(plan, base, result, sample, said)
        elif is_older and not plan.counts_each(sample) and said < max(newest or said, newest_late[stream_of(sample)]):
            # Newer ones of its topic are remembered, or go there now: it was before these, and goes to the beginning.
            result = with_what_stays(plan, base, result, sample, said)
            new.append(Waiting(sample, entries[0].at, waiting.after))
            together.add(sample, said)
        elif is_older or (is_repeat and before == newest):
            # Older than all that is remembered, or said again at once: the line's rules know what to make of it.
            known_then, (line, taken) = line.state, _in_order(plan, line, sample, said, again=is_repeat)
            result = both(result, taken if is_repeat else with_what_stays(plan, known_then, taken, sample, said))
        elif is_repeat or ((newest is None or at_beginning) and _is_outdated(plan, entries[0].after, sample, said)):
            result = both(result, Step(line.state, notices=(left_out_again(sample),)))
        else:
            result = with_what_stays(plan, _forgotten(line, said), result, sample, said)
            new.append(waiting)
            together.add(sample, said)
    places_of = {id(sample): place for sample, place, _ in new}
    placed_ones = [each._replace(said=places_of[id(each.sample)]) for each in came if id(each.sample) in places_of]
    new.sort(key=itemgetter(1))
    others = moved(plan, line, [*known.first_of(placed_ones)])
    if new:
        places = [(sample, said) for sample, said, _ in new]
        line, placed = yield from corrected(plan, line, places, at, moved=others, heard=heard)
        line, result = reduce(_calming, heard, line), both(result, placed)
    return replace(line, corrected=line.corrected + 1), result


def _is_news(plan: LinePlan, state: LineState, kept: Sample) -> bool:
    """Whether a message that the broker had kept says what its inputs have not said yet, since others that it did not
    keep were missed: then it comes late as any."""
    fed, inputs = plan.fed_by(kept), state.inputs
    is_known = any(each.name in inputs and inputs[each.name].at > 0 for each in fed if each.time is not None)
    return is_known and not plan.counts_each(kept) and is_outdated(fed, inputs, kept) is False


def _was_said(plan: LinePlan, state: LineState | None, sample: Sample) -> bool:
    """Whether the message is known to say again what it said before newer ones, by what is on in `state` since."""
    return state is not None and any(
        track.is_repeat(plan.fed_by(sample), sample) for track in LineSteps(plan, state).tracks
    )


def _is_outdated(plan: LinePlan, state: LineState | None, sample: Sample, said: float) -> bool:
    """Whether the message is older than what was known of its inputs in `state`. What counts each time never is."""
    if state is None or plan.counts_each(sample):
        return False
    return is_outdated(plan.fed_by(sample), state.inputs, sample) is True
