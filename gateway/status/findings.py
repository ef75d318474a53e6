"""What is wrong, as conditions for the registry of problems, and what was lately, as sentences: from a snapshot's parts
alone, but for how long Oden has taken nothing, which `Standstill` remembers.
"""

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from gateway.batch import IntakeHealth
from gateway.delivery.apart import Apart
from gateway.delivery.breaker import REFUSES
from gateway.errors import CERTIFICATE_DATES
from gateway.health import Condition, KindName
from gateway.model import Notice
from gateway.oden.exchange import iso
from gateway.oden.http_answer import UNREACHABLE
from gateway.outbox.directory import REMOVED
from gateway.outbox.entries import Pause
from gateway.outbox.statistics import Summary
from gateway.status.snapshot import LineStatus, OdenStatus, OutboxStatus, SourceStatus, counted

MOST_NAMED = 3
"""Inputs of a line that are named in one sentence."""
LATELY = 3600.0
"""Seconds for which a notice counts as something that was lately."""
SILENT = 20.0
"""Seconds without an answer of Oden's to anything that was sent, after which that is said."""

STANDS = 60.0
"""Seconds without a record that is done with, after which a request that has failed meanwhile is why nothing is
delivered."""


def intake(health: IntakeHealth, full: str | None) -> Iterator[Condition]:
    """Why nothing is taken in, and lines that the gateway fails to map. `full` says why the outbox has no room, where
    that was looked at; intake may know it before."""
    full = full or health.full
    if is_removed(full):
        yield Condition("outbox_removed", "", f"Nothing is taken in: {full}.")
    elif full:
        yield Condition("outbox_full", "", f"Nothing is taken in: {full}.")
    elif health.blocked:
        yield Condition("outbox_unwritable", "", f"Nothing is taken in: {health.blocked}.")
    for line, reason in health.faults.items():
        yield Condition("line_not_mapped", line, f"Line {line} cannot be mapped: {reason}")


def filling(scarce: str | None, full: str | None) -> Iterator[Condition]:
    """There is still room, and little of it: said while there is time to do something."""
    if scarce and not full:
        yield Condition("outbox_filling", "", f"The outbox fills up: {scarce}. Nothing is lost yet.")


def failing(failures: Mapping[str, str], outbox: str | None) -> Iterator[Condition]:
    """Intake or delivery that fails again and again, with the reason; `outbox`: why delivery waits for the outbox."""
    if "intake" in failures:
        yield Condition("intake_failing", "", f"Nothing is taken in: intake fails: {failures['intake']}")
    if "delivery" in failures:
        yield Condition("delivery_failing", "", f"Nothing is delivered: delivery fails: {failures['delivery']}")
    elif outbox:
        yield Condition("delivery_failing", "", f"Nothing is delivered: {outbox}")


def unreadable(reason: str | None) -> Iterator[Condition]:
    """The outbox could not be looked at, for this reason: nor can what waits in it be delivered."""
    if reason is not None:
        yield Condition("outbox_unreadable", "", f"The outbox cannot be read, so nothing is delivered: {reason}")


def paused(pause: Pause | None, outbox: OutboxStatus, *, safe: bool = True) -> Iterator[Condition]:
    """A person has paused delivery. `safe`: what waits is known to be on disk."""
    if pause is not None:
        since = datetime.fromtimestamp(pause.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        why = f" ({pause.reason})" if pause.reason else ""
        by = f" by {pause.by}" if pause.by else ""
        text = f"Delivery to Oden was paused{by}{why} at {since}; {_kept(outbox, safe=safe)}, until it is resumed."
        yield Condition("delivery_paused", "", text)


def silence(oden: OdenStatus, outbox: OutboxStatus, *, safe: bool = True) -> Iterator[Condition]:
    """Oden has been asked, and has answered nothing for a while; `safe` as for `paused`."""
    silent = oden.silent_seconds
    if silent is not None and silent >= SILENT and not oden.held:
        kept = _kept(outbox, safe=safe)
        text = f"Oden has not answered for {silent:.0f} s; {kept}, and looked up before anything is sent again."
        yield Condition("oden_silent", "", text)


def delivery(
    oden: OdenStatus, lines: Sequence[LineStatus], outbox: OutboxStatus, now: float, *, safe: bool = True
) -> Iterator[Condition]:
    """Why nothing is delivered, of all lines or of one, and what becomes of what waits; `safe` as for `paused`."""
    # Where each of the lines is held, whatever for, that is all of delivery.
    held = oden.held or (lines[0].held if lines and all(line.held for line in lines) else None)
    if oden.refuses and (not held or REFUSES in held) and (outbox.to_do or outbox.records["dead"]):
        yield Condition("oden_refuses", "", f"{oden.refuses}; {_kept(outbox, safe=safe)}.")
    elif held:
        reason = held if held.startswith(UNREACHABLE) else f"Nothing is delivered to Oden: {held}"
        kept = _kept(outbox, safe=safe)
        wait = None if oden.retry_at is None or not oden.held else max(0.0, oden.retry_at - now)
        again = "by itself" if wait is None else f"in {wait:.0f} s" if wait >= 0.5 else "now"
        if any(words in held for words in CERTIFICATE_DATES):
            shown = iso(int(now))
            yield Condition("certificate_dates", "", f"{reason}; for the gateway it is {shown}; {kept}.")
        yield Condition("oden_held", "", f"{reason}; {kept}; tried again {again}.")
    for line in lines:
        if line.held:
            text = f"{line.factory}, {line.line}: nothing is delivered: {line.held}"
            yield Condition("line_held", line.key, text)


def kept_back(oden: OdenStatus, apart: Sequence[Apart]) -> Iterator[Condition]:
    """What fails by itself while others are delivered."""
    if apart and not oden.held:
        first = apart[0]
        others = f", as {counted(len(apart) - 1, 'other does', 'others do')}" if apart[1:] else ""
        text = f"{first.said[:1].upper()}{first.said[1:]} ({first.line}) does not get through, while the rest does: "
        yield Condition("kept_back", "", f"{text}{first.reason}; it waits and is tried again{others}.")


def is_removed(full: str | None) -> bool:
    """Whether the outbox has no room because somebody has removed its files; `full` as for `intake`."""
    return full is not None and full.startswith(REMOVED)


def _kept(outbox: OutboxStatus, *, safe: bool) -> str:
    """What waits, and how well it is kept."""
    if not safe:
        return counted(outbox.to_do, "record waits", "records wait")
    return counted(outbox.to_do, "record is safe on disk", "records are safe on disk")


def connections(sources: Sequence[SourceStatus], renewed: Container[str] = ()) -> Iterator[Condition]:
    """Sources that are away, tags and topics that are not received, and what is wrong with sources that work. Where all
    of them are away, or nothing of what they are asked for is received, nothing is taken in. Those that were `renewed`
    just now are being connected anew, as they were before: that is no problem yet.
    """
    hears = any((source.connected and not source.deaf) or source.name in renewed for source in sources)
    away: KindName = "source_away" if hears else "sources_away"
    for source in sources:
        if not source.connected and source.name not in renewed:
            yield Condition(away, source.name, f"Source {source.name} is not connected: {source.detail}")
        if source.unconfirmed is not None:
            yield Condition("unconfirmed", source.name, f"Source {source.name}: {source.unconfirmed}.")
        if source.connected and source.failed:
            # What stands for others goes first: an edge node before its devices, a device before its metrics.
            address, reason = min(source.failed.items(), key=lambda item: (item[0].count("#"), item[0].count("/")))
            others = f", and {len(source.failed) - 1} more" if len(source.failed) > 1 else ""
            text = f"Source {source.name}: {address} is not received ({reason}){others}."
            yield Condition("address_refused" if hears else away, source.name, text)
        if source.connected and source.late:
            age = f"{source.newest_age:.0f} s old"
            text = f"Source {source.name}: what arrives is {age}: it is slow, or its clock is wrong."
            yield Condition("source_late", source.name, text)
        for kind, concern in source.concerns.items():
            yield Condition(kind, source.name, f"Source {source.name}: {concern}.")


def unheard(line: LineStatus, inputs: Mapping[str, tuple[float, str]]) -> Iterator[Condition]:
    """A line of which it is not known what it does although its sources are connected: by each of the `inputs` that
    are why, until when it was known (epoch), and what it does, in words."""
    if inputs:
        since = datetime.fromtimestamp(min(until for until, _ in inputs.values()), UTC).strftime("%Y-%m-%d %H:%M UTC")
        said = [f"{name} {does}" for name, (_, does) in sorted(inputs.items())]
        others = f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
        text = f"{line.factory}, {line.line}: what it does is not known since {since}: "
        yield Condition("line_unknown", line.key, f"{text}{', '.join(said[:MOST_NAMED])}{others}.")


def dead_letters(outbox: OutboxStatus) -> Iterator[Condition]:
    """Records that a person has to look after."""
    dead, parked = outbox.records["dead"], outbox.records["parked"]
    if dead:
        more = f"; {parked} more wait for them" if parked else ""
        text = f"Oden refused {counted(dead, 'record', 'records')} for good (dead letters){more}."
        yield Condition("dead_letters", "", text)


def unsettled(outbox: OutboxStatus) -> Iterator[Condition]:
    """Records of which nobody can tell whether Oden has them."""
    number = outbox.records["unsettled"]
    if number:
        text = (
            f"{counted(number, 'record', 'records')} may be at Oden, and that could not be looked up: see whether it "
            "is there, and say so with `oden-gateway outbox settle`."
        )
        yield Condition("unsettled", "", text)


def held(outbox: OutboxStatus) -> Iterator[Condition]:
    """Intervals that somebody has deleted at Oden while they were open."""
    if outbox.held:
        text = (
            f"{counted(outbox.held, 'interval was', 'intervals were')} deleted at Oden while open at the machine: "
            "what belongs there is held. Say what becomes of it with `oden-gateway outbox recreate` or `drop`."
        )
        yield Condition("deleted_at_oden", "", text)


def damage(folders: Sequence[str]) -> Iterator[Condition]:
    """Damage to the outbox that nobody has seen to."""
    for folder in folders:
        text = (
            "The outbox was damaged; what could be read goes on. `oden-gateway outbox verify` says more; "
            f"the files are in {folder}."
        )
        yield Condition("outbox_damaged", folder, text)


def losses(notices: Sequence[Notice], now: float) -> Iterator[Condition]:
    """Output that was lost lately. `notices` are newest first."""
    lost = [notice for notice in notices if notice.kind == "loss" and notice.at > now - LATELY]
    if lost:
        text = f"In the last hour output was lost {_times(len(lost))}, the last time: {lost[0].text}."
        yield Condition("output_lost", "", text)


def hints(notices: Sequence[Notice], total: int, now: float) -> Iterator[str]:
    """Gaps, rejects and times that were not used of lately. `notices` are the newest of `total`."""
    lately = [notice for notice in notices if notice.at > now - LATELY]
    recent: Counter[str] = Counter()
    for notice in lately:
        recent[notice.kind] += notice.count
    parts = []
    if recent["reject"]:
        parts.append(
            f"{counted(recent['reject'], 'value or message', 'values or messages')} could not be used (rejects)"
        )
    if recent["gap"]:
        parts.append(f"data may have been missed {_times(recent['gap'])} (gaps)")
    if recent["time"]:
        parts.append("the time of arrival counts for what came with a wrong time or with none (times)")
    if recent["oden"]:
        parts.append(f"something was found at Oden that was not told from here {_times(recent['oden'])} (oden)")
    if parts:
        # Where all that are kept are recent, there may have been more.
        more = ", or more" if len(notices) == len(lately) < total else ""
        yield f"In the last hour {' and '.join(parts)}{more}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


class Standstill:
    """Looked at whenever the outbox has been read."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._done = 0

    def look(self, summary: Summary, held: Collection[str], monotonic: float) -> None:
        """What the outbox holds now. What waits of lines that are `held` by themselves does not count, nor does what
        waits because a person has paused delivery."""
        counts, totals = summary.counts, summary.totals
        waits = counts.waiting + counts.sending + counts.in_doubt > sum(counts.by_line.get(line, 0) for line in held)
        done = totals.delivered + totals.dead
        if not waits or summary.pause is not None:
            self._since = None
        elif self._since is None or done != self._done:
            self._since = monotonic
        self._done = done

    def seconds(self, monotonic: float) -> float | None:
        """For how long something has waited and nothing was done with; None where nothing waits."""
        return None if self._since is None else monotonic - self._since
