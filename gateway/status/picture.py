"""Takes the picture of the running gateway that page, JSON, health and metrics are made from."""

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from gateway.build import described
from gateway.config.schema import Config
from gateway.config.schema_process import Tone
from gateway.delivery.breaker import BUCKETS
from gateway.delivery.drain import Drain
from gateway.health import Condition, Problems, health
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import missed, unlearned, without_value
from gateway.mapping.hearing import known_until, unheard
from gateway.mapping.intervals import KEYLESS, IntervalsState
from gateway.mapping.line import LineState
from gateway.mapping.output import AmountKey
from gateway.mapping.shifts import ShiftCalendar
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.mapping.whose import owner
from gateway.model import Quality, StartInterval
from gateway.outbox.entries import DeadLetter as StoredLetter
from gateway.outbox.statistics import Summary
from gateway.outbox.words import began, in_words
from gateway.sources.base import Source
from gateway.status import findings
from gateway.status.history import Amounts, History, Span, detail_of, with_amount
from gateway.status.snapshot import (
    DeadLetter,
    Histogram,
    InputStatus,
    IntervalStatus,
    LineStatus,
    OdenStatus,
    OutboxStatus,
    RejectedStatus,
    RunStatus,
    Snapshot,
    SourceStatus,
    StateStatus,
    Total,
)
from gateway.ways import here


@dataclass(frozen=True, slots=True)
class Parts:
    """What the picture is taken of."""

    config: Config
    plans: Sequence[LinePlan]
    sources: Sequence[Source]
    intake: Intake
    drain: Drain
    started_at: float
    failing: Callable[[], Mapping[str, str]]
    """By name, why a task fails again and again."""
    conditions: Callable[[], Iterable[Condition]]
    """What is wrong with the process itself: its clock, its tables."""
    history: History


def snapshot(
    parts: Parts,
    problems: Problems,
    summary: Summary,
    now: float,
    stuck: str | None,
    *,
    unreadable: str | None = None,
    whole: bool = True,
    stands: float | None = None,
) -> Snapshot:
    """The picture at `now`; `stuck` says what does not turn, None where everything does; `unreadable`, why
    `summary` is one from before. `stands`: for how many seconds something has waited and nothing of it was done with,
    None where nothing waits. Unless it is `whole`, it is without what only those see who look at a line: inputs,
    totals, and what has come to nothing.

    What is wrong with the parts is observed in `problems`, beside `parts.conditions`, which are the process's own.
    """
    sources = tuple(_source(parts, source, summary) for source in parts.sources)
    renewed = {source.name for source in parts.sources if source.health.is_renewed(now)}
    away = {source.name: source.since or parts.started_at for source in sources if not source.connected}
    tones = shown_as(parts.config)
    lines = tuple(_line(parts, plan, summary, away, tones.get(plan.key, {})) for plan in parts.plans)
    if whole:
        lines = tuple(_seen(parts, plan, line, now) for plan, line in zip(parts.plans, lines, strict=True))
    oden = _oden(parts, now, stands)
    outbox = _outbox(summary, oden, parts.drain.gap, parts.config.outbox.size_limit)
    safe = unreadable is None and not findings.is_removed(summary.full)
    problems.set_conditions(
        [
            *([Condition("not_turning", "", f"The gateway is stuck: {stuck}.")] if stuck else []),
            *parts.conditions(),
            *findings.intake(parts.intake.health, summary.full),
            *findings.filling(summary.scarce, summary.full or parts.intake.health.full),
            *findings.failing(parts.failing(), parts.drain.health.outbox),
            *findings.damage(summary.damaged),
            *findings.unreadable(unreadable),
            *findings.paused(summary.pause, outbox, safe=safe),
            *findings.delivery(oden, lines, outbox, now, safe=safe),
            *findings.silence(oden, outbox, safe=safe),
            *findings.kept_back(oden, parts.drain.health.apart.shown(now)),
            *findings.connections(sources, renewed),
            *chain.from_iterable(map(partial(_unheard, parts, away), parts.plans, lines)),
            *findings.dead_letters(outbox),
            *findings.unsettled(outbox),
            *findings.held(outbox),
            *findings.losses(summary.notices, now),
        ]
    )
    current = problems.current()
    verdict = health(current, math.inf if stands is None else now - stands)
    not_ready = verdict.not_ready(now)
    return Snapshot(
        version=described(),
        started_at=parts.started_at,
        now=now,
        ready=not_ready is None,
        not_ready=not_ready,
        taking_in=verdict.taking_in,
        delivering=verdict.delivering,
        problems=current,
        hints=tuple(findings.hints(summary.notices, summary.totals.notices, now)),
        sources=sources,
        lines=lines,
        outbox=outbox,
        oden=oden,
        records_total=summary.totals.records,
        merged_total=summary.totals.merged,
        lost_total={
            "no_room_without_run": summary.totals.lost,
            "drop_oldest_output": summary.totals.given_up,
        },
        rejects_total=summary.totals.rejects,
        rejected=_rejected(summary),
        notices=summary.notices,
        dead_letters=tuple(_dead_letter(letter, summary) for letter in summary.dead_letters),
    )


def _unheard(parts: Parts, away: Container[str], plan: LinePlan, line: LineStatus) -> Iterator[Condition]:
    """What is not heard of a line although its source is connected; where that is `away`, it says so itself."""
    inputs = unheard(plan.inputs, parts.intake.state(plan.key).inputs, plan.rests_on)
    return findings.unheard(line, {name: why for name, why in inputs.items() if plan.inputs[name].source not in away})


def _rejected(summary: Summary) -> RejectedStatus:
    kept = summary.totals.kept_rejects
    return RejectedStatus(kept.number, kept.bytes, kept.dropped, kept.left_out, summary.rejects)


def _source(parts: Parts, source: Source, summary: Summary) -> SourceStatus:
    connection = source.health
    asked = {address for plan in parts.plans for name, address in plan.subscriptions if name == source.name}
    counted: Mapping[Quality, int] = {
        quality: parts.intake.health.samples[source.name, quality] for quality in ("good", "uncertain", "bad")
    }
    return SourceStatus(
        name=source.name,
        type=parts.config.sources[source.name].type,
        connected=connection.connected,
        since=connection.since or None,
        detail=connection.detail,
        failed=dict(connection.failed),
        last_sample_at=connection.last_sample_at,
        samples=counted,
        gaps=summary.totals.gaps.get(source.name, 0),
        concerns=dict(connection.concerns),
        granted=source.granted,
        unconfirmed=connection.unconfirmed,
        room=connection.room,
        newest_at=connection.newest_at,
        newest_age=connection.newest_age,
        late=connection.newest_age is not None and connection.newest_age > connection.late_after,
        deaf=connection.connected and bool(asked) and asked <= connection.failed.keys(),
        certificate_ends=connection.certificate_ends,
        unmatched={
            **connection.unwanted,
            **{address: n for (name, address), n in parts.intake.health.unmatched.items() if name == source.name},
        },
    )


def _line(
    parts: Parts, plan: LinePlan, summary: Summary, away: Mapping[str, float], tones: Mapping[str, Tone]
) -> LineStatus:
    """`away` are the sources that are not connected, with since when; `tones` how categories of the line are shown."""
    state = parts.intake.state(plan.key)
    run, meaning = state.runs.current, state.states.meaning
    hold = parts.drain.health.lines.get(plan.key)
    ref = parts.drain.lines.get(plan.key)
    return LineStatus(
        key=plan.key,
        factory=plan.factory,
        line=plan.line,
        oden_id=ref.oden_id if ref else plan.id,
        run=RunStatus(run.name, run.product, run.start) if run else None,
        state=StateStatus(meaning.category, meaning.reason, state.states.earliest_start - 1) if meaning else None,
        held=hold.reason if hold else None,
        inputs={},
        without_run=_without_run(state),
        waiting=summary.counts.by_line.get(plan.key, 0),
        tone=tones.get(meaning.category) if meaning else None,
        tones=tones,
        revision=parts.history.changed.get(plan.key, 0),
        lateness=parts.intake.lateness.of(plan.key),
        corrections=parts.intake.lateness.corrections(plan.key),
        unknown_since=unknown_since(plan, state, away),
        batch=_interval(state.batches),
        intervals={
            interval.type: on
            for interval in plan.intervals
            if (on := _interval(state.intervals.get(interval.type, IntervalsState()))) is not None
        },
    )


def _seen(parts: Parts, plan: LinePlan, line: LineStatus, now: float) -> LineStatus:
    """The line with what those see who look at it."""
    state = parts.intake.state(plan.key)
    return replace(
        line,
        inputs={
            name: InputStatus(known.value, known.at or None, known.quality)
            for name, known in state.inputs.items()
            if name in plan.inputs and plan.inputs[name].learned is None and not plan.inputs[name].of_run
        },
        without_value=tuple(name for name in without_value(plan, state) if plan.inputs[name].learned is None),
        unlearned=unlearned(plan, state),
        missed=missed(plan, state),
        totals=tuple(totals(plan, state, parts.history, now)),
    )


def totals(plan: LinePlan, state: LineState, history: History, now: float) -> Iterator[Total]:
    """What was made in the run, in the batch, and in each shift of a calendar that is on: what Oden was told, and of
    run and batch what is yet to be told.
    """
    for of, intervals, output in (("RUN", state.runs, state.output), ("BATCH", state.batches, state.batch_output)):
        if intervals.current is None:
            continue
        span = history.span(plan.key, intervals.current.interval)
        amounts = dict(span.amounts) if span is not None else {}
        pending: defaultdict[AmountKey, list[Number]] = defaultdict(list)
        begun, ended = times_of_current(intervals)
        for at, amount, key in output.pending:
            if begun <= at < ended:
                pending[key].append(amount)
        for key, made in pending.items():
            detail = detail_of(dict(key.raw_data))
            for name in key.amount_names:
                amounts[name] = with_amount(amounts.get(name, {}), detail, total(made))
        yield from _totals(of, amounts)
    for interval in plan.intervals:
        if isinstance(interval.start, ShiftCalendar):
            span = history.on(plan.key, interval.type, now)
            yield from _totals(interval.type, span.amounts if span is not None else {})


def times_of_current(intervals: IntervalsState) -> tuple[float, float]:
    """From when on, and before when, something is of the interval that is on, by what `owner` says."""
    change = intervals.pending_change
    begun = intervals.last.ended if intervals.last is not None else -math.inf
    return begun, change.previous_end if change is not None else math.inf


def _totals(of: str, amounts: Amounts) -> Iterator[Total]:
    for name, details in amounts.items():
        yield Total(of, name, whole(round(total([*details.values()]), DECIMALS)), details)


def beside_amounts(plan: LinePlan) -> dict[str, frozenset[str]]:
    """What stands in raw data beside each amount, by the amount's name."""
    names: dict[str, set[str]] = defaultdict(set)
    for output in filter(None, (plan.output, plan.batch_output)):
        for entry in chain.from_iterable(output.entries.values()):
            for name in entry.amount_names:
                names[name] |= {*dict(entry.fixed), *dict(entry.patterns)}
    return {name: frozenset(beside) for name, beside in names.items()}


def on_now(plan: LinePlan, state: LineState) -> Iterator[Span]:
    """The intervals of a line that are on, by what is remembered of it."""
    for type_, intervals in (("RUN", state.runs), ("BATCH", state.batches), *state.intervals.items()):
        on = intervals.current
        if on is not None:
            about = on.product if type_ == "RUN" else None
            yield Span(on.interval, plan.key, type_, on.start, name=on.name, about=about)
    states = state.states
    if states.interval is not None and states.meaning is not None:
        category, reason = states.meaning
        yield Span(states.interval, plan.key, "STATE", states.earliest_start - 1, about=category, reason=reason)


def shown_as(config: Config) -> dict[str, dict[str, Tone]]:
    """By the key of a line, how its state categories are shown: as `status.categories` says, else as its preset has
    them."""
    tones: dict[str, dict[str, Tone]] = {}
    for line in config.lines:
        preset: dict[str, Tone] = {}
        if line.states is not None and line.states.preset is not None:
            names = line.states.categories
            preset = {names.uptime: "running", names.planned: "planned", names.unplanned: "stopped"}
        tones[line.key] = preset | config.status.categories
    return tones


def _interval(state: IntervalsState) -> IntervalStatus | None:
    on = state.current
    if on is None:
        return None
    return IntervalStatus(on.name or (state.key if state.key != KEYLESS else None), on.start)


def unknown_since(plan: LinePlan, state: LineState, away: Mapping[str, float]) -> float | None:
    """Since when the inputs on which state, run and output rest have not been heard; None where all are."""
    until = known_until(plan.inputs, state.inputs, state.lost, plan.rests_on)
    gone = (away[source] for source in plan.rests_on_sources if source in away) if away else ()
    return min([*([until] if until < math.inf else []), *gone], default=None)


def _dead_letter(letter: StoredLetter, summary: Summary) -> DeadLetter:
    record = letter.record
    interval = summary.intervals.get(record.interval)
    return DeadLetter(
        record.key,
        record.line,
        record.kind,
        letter.at,
        letter.error,
        about=in_words(record, interval),
        begun_at=began(record, interval),
        parked=interval.waiting_for_start if interval is not None and isinstance(record, StartInterval) else 0,
        command=f"{here().command} outbox {'settle' if letter.unsettled else 'retry'} {record.key}",
        unsettled=letter.unsettled,
    )


def _without_run(state: LineState) -> dict[str, Number]:
    """The output that no run has yet, summed by the names in its raw data that hold amounts."""
    if state.runs.current is not None and state.runs.pending_change is None:
        return {}
    amounts: dict[str, list[Number]] = defaultdict(list)
    for amount in state.output.pending:
        if owner(state.runs, amount.at) is None:
            for name in amount.key.amount_names:
                amounts[name].append(amount.amount)
    return {name: whole(round(total(parts), DECIMALS)) for name, parts in amounts.items()}


def _outbox(summary: Summary, oden: OdenStatus, gap: float, limit: int) -> OutboxStatus:
    counts = summary.counts
    to_do = counts.waiting + counts.sending + counts.in_doubt
    flows = oden.held is None and summary.pause is None
    seconds = to_do * gap if flows or not to_do else float("inf")
    return OutboxStatus(
        records={
            "waiting": counts.waiting,
            "sending": counts.sending,
            "in_doubt": counts.in_doubt,
            "parked": counts.parked,
            "dead": counts.dead,
            "unsettled": counts.unsettled,
        },
        oldest_at=counts.oldest_at,
        drain_seconds=seconds,
        bytes=summary.bytes,
        limit=limit,
        held=counts.held,
        paused_since=summary.pause.since if summary.pause is not None else None,
    )


def _oden(parts: Parts, now: float, stands: float | None) -> OdenStatus:
    state = parts.drain.health
    held, refuses = state.api.reason if state.api else None, state.refuses(now)
    if held is None and refuses is None and stands is not None and stands >= findings.STANDS:
        # Searches may be answered all the while, and other requests fail each in a way of its own.
        held = state.last_error if (state.last_error_at or 0.0) > now - stands else None
    return OdenStatus(
        url=parts.config.oden.shown_url,
        held=held,
        retry_at=state.api.until if state.api else None,
        last_success_at=state.last_success_at,
        last_error=state.last_error,
        last_error_at=state.last_error_at,
        requests=dict(state.requests),
        seconds=Histogram(BUCKETS, tuple(state.seconds), state.seconds_sum),
        used_share=min(1.0, state.used_share(now) * parts.drain.gap),
        silent_seconds=parts.drain.silent_for(),
        refuses=refuses,
    )
