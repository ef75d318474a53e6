"""What is wrong, and what was lately, as sentences for a person: pure, from the parts of a snapshot."""

from collections import Counter
from collections.abc import Iterator, Sequence

from gateway.model import Notice
from gateway.oden.reasons import UNREACHABLE
from gateway.status.snapshot import LineStatus, OdenStatus, OutboxStatus, SourceStatus, counted

LATELY = 3600.0
"""Seconds for which a notice counts as something that was lately."""


def delivery(oden: OdenStatus, lines: Sequence[LineStatus], outbox: OutboxStatus, now: float) -> Iterator[str]:
    """Why nothing is delivered, of all lines or of one, and what becomes of what waits."""
    if oden.held:
        what = oden.held if oden.held.startswith(UNREACHABLE) else f"Nothing is delivered to Oden: {oden.held}"
        safe = counted(outbox.to_do, "record is safe on disk", "records are safe on disk")
        wait = max(0.0, oden.retry_at - now) if oden.retry_at else 0.0
        yield f"{what}; {safe}; tried again {f'in {wait:.0f} s' if wait >= 0.5 else 'now'}."
    for line in lines:
        if line.held:
            yield f"{line.factory}, {line.line}: nothing is delivered: {line.held}"


def connections(sources: Sequence[SourceStatus]) -> Iterator[str]:
    """Sources that are away, and tags and topics that are not received."""
    for source in sources:
        if not source.connected:
            yield f"Source {source.name} is not connected: {source.detail}"
        elif source.failed:
            # What stands for others goes first: an edge node before its devices, a device before its metrics.
            address, why = min(source.failed.items(), key=lambda one: (one[0].count("#"), one[0].count("/")))
            others = f", and {len(source.failed) - 1} more" if len(source.failed) > 1 else ""
            yield f"Source {source.name}: {address} is not received ({why}){others}."


def dead_letters(outbox: OutboxStatus) -> Iterator[str]:
    """Records that a person has to look after."""
    dead, parked = outbox.records["dead"], outbox.records["parked"]
    if dead:
        more = f"; {parked} more wait for them" if parked else ""
        yield f"Oden refused {counted(dead, 'record', 'records')} for good (dead letters){more}."


def damage(folders: Sequence[str]) -> Iterator[str]:
    """Damage to the outbox that nobody has seen to."""
    for folder in folders:
        yield f"The outbox was damaged; what could be read goes on. `oden-gateway outbox verify` says more; the files are in {folder}."


def losses(notices: Sequence[Notice], now: float) -> Iterator[str]:
    """Output that was lost lately. `notices` are newest first."""
    lost = [notice for notice in notices if notice.kind == "loss" and notice.at > now - LATELY]
    if lost:
        yield f"In the last hour output was lost {_times(len(lost))}, the last time: {lost[0].text}."


def hints(notices: Sequence[Notice], total: int, now: float) -> Iterator[str]:
    """Gaps, rejects and times that were not used of lately. `notices` are the newest of `total`."""
    recent = Counter(notice.kind for notice in notices if notice.at > now - LATELY)
    found = []
    if recent["reject"]:
        found.append(
            f"{counted(recent['reject'], 'value or message', 'values or messages')} could not be used (rejects)"
        )
    if recent["gap"]:
        found.append(f"data may have been missed {_times(recent['gap'])} (gaps)")
    if recent["time"]:
        found.append("the time of arrival counts for what came with a wrong time or with none (times)")
    if found:
        # Where all that are kept are recent, there may have been more.
        more = ", or more" if len(notices) == recent.total() < total else ""
        yield f"In the last hour {' and '.join(found)}{more}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
