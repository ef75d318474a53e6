"""Takes the picture of the running gateway that page, JSON, health and metrics are made from."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.build import described
from gateway.config.schema import Config
from gateway.delivery.breaker import BUCKETS
from gateway.delivery.drain import Drain
from gateway.health import Condition, Problems, health
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import missed, without_value
from gateway.mapping.intervals import owner
from gateway.mapping.line import LineState
from gateway.mapping.values import DECIMALS, Number, total, whole
from gateway.model import Quality
from gateway.outbox.entries import Summary
from gateway.sources.base import Source
from gateway.status import findings
from gateway.status.snapshot import (
    DeadLetter,
    Histogram,
    InputStatus,
    LineStatus,
    OdenStatus,
    OutboxStatus,
    RunStatus,
    Snapshot,
    SourceStatus,
    StateStatus,
)


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


def snapshot(parts: Parts, problems: Problems, summary: Summary, now: float, stuck: str | None) -> Snapshot:
    """The picture at `now`; `stuck` says what does not turn, None where everything does.

    What is wrong with the parts is observed in `problems`, beside `parts.conditions`, which are the process's own.
    """
    sources = tuple(_source(parts, source, summary) for source in parts.sources)
    lines = tuple(_line(parts, plan, summary) for plan in parts.plans)
    oden = _oden(parts, now)
    outbox = _outbox(summary, oden, parts.drain.gap, parts.config.outbox.size_limit)
    problems.set_conditions(
        [
            *([Condition("not_turning", "", f"The gateway is stuck: {stuck}.")] if stuck else []),
            *parts.conditions(),
            *findings.intake(parts.intake.health, summary.full),
            *findings.failing(parts.failing(), parts.drain.health.outbox),
            *findings.damage(summary.damaged),
            *findings.delivery(oden, lines, outbox, now, summary.full),
            *findings.silence(oden, outbox, summary.full),
            *findings.connections(sources),
            *findings.dead_letters(outbox),
            *findings.unsettled(outbox),
            *findings.held(outbox),
            *findings.losses(summary.notices, now),
        ]
    )
    current = problems.current()
    verdict = health(current)
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
        notices=summary.notices,
        dead_letters=tuple(
            DeadLetter(letter.record.key, letter.record.line, letter.record.kind, letter.at, letter.error)
            for letter in summary.dead_letters
        ),
    )


def _source(parts: Parts, source: Source, summary: Summary) -> SourceStatus:
    connection = source.health
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
        unconfirmed=connection.unconfirmed,
        room=connection.room,
        newest_at=connection.newest_at,
        certificate_ends=connection.certificate_ends,
        unmatched={
            **connection.unwanted,
            **{address: n for (name, address), n in parts.intake.health.unmatched.items() if name == source.name},
        },
    )


def _line(parts: Parts, plan: LinePlan, summary: Summary) -> LineStatus:
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
        inputs={
            name: InputStatus(known.value, known.at or None, known.quality)
            for name, known in state.inputs.items()
            if name in plan.inputs and plan.inputs[name].learned is None
        },
        without_run=_without_run(state),
        waiting=summary.counts.by_line.get(plan.key, 0),
        without_value=tuple(without_value(plan, state)),
        missed=missed(state),
    )


def _without_run(state: LineState) -> dict[str, Number]:
    """The output that no run has yet, summed by the names in its raw data that hold amounts."""
    amounts: dict[str, list[Number]] = defaultdict(list)
    for amount in state.output.pending:
        if owner(state.runs, amount.at) is None:
            for name in amount.key.amount_names:
                amounts[name].append(amount.amount)
    return {name: whole(round(total(parts), DECIMALS)) for name, parts in amounts.items()}


def _outbox(summary: Summary, oden: OdenStatus, gap: float, limit: int) -> OutboxStatus:
    counts = summary.counts
    to_do = counts.waiting + counts.sending + counts.in_doubt
    seconds = to_do * gap if oden.held is None or not to_do else float("inf")
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
    )


def _oden(parts: Parts, now: float) -> OdenStatus:
    state = parts.drain.health
    return OdenStatus(
        url=parts.config.oden.url,
        held=state.api.reason if state.api else None,
        retry_at=state.api.until if state.api else None,
        last_success_at=state.last_success_at,
        last_error=state.last_error,
        last_error_at=state.last_error_at,
        requests=dict(state.requests),
        seconds=Histogram(BUCKETS, tuple(state.seconds), state.seconds_sum),
        used_share=min(1.0, state.used_share(now) * parts.drain.gap),
        silent_seconds=parts.drain.silent_for(),
    )
