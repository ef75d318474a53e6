"""What a person does with records: tries dead letters again, changed or not, drops them, or settles them; and with
delivery: pauses it.

Every function that changes something is one short call to the outbox and one transaction. The records were looked
through before, a page at a time (`listing`), and may have moved since: each is looked at once more within the
transaction.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from pydantic import ValidationError

from gateway.errors import OutboxError
from gateway.model import RECORD, Addition, Record, Setting, StartInterval, UpdateInterval
from gateway.outbox import balance, gone, left_open, record_rules, settings_index
from gateway.outbox.entries import PAUSE, DeadLetter, Interval, Pause
from gateway.outbox.lanes import DEAD, StoredRecord, is_parked, parked_lane, starts_lane
from gateway.outbox.listing import LETTERS, Listed, attempt_of, dead_letter_at
from gateway.outbox.merge import set_fields, without
from gateway.outbox.store import Outbox
from gateway.outbox.transaction import Transaction
from gateway.record_kinds import end_of, kind_of

NOTED = frozenset({"where", "error"})
"""What an exported line says beside the record; it is not read back."""
_EXPORTED = {"metadata": "details"}
"""Fields of records that are called otherwise where they are exported."""


@dataclass(frozen=True, slots=True)
class Retried:
    """How many records are `sent` once more. Of `hopeless` ones the interval is not known any more: they stay.
    `outdated` are updates of which some or all was left out, because later ones say it differently."""

    sent: int = 0
    hopeless: int = 0
    outdated: int = 0

    def __add__(self, other: "Retried") -> "Retried":
        return Retried(self.sent + other.sent, self.hopeless + other.hopeless, self.outdated + other.outdated)


def retry(outbox: Outbox, records: Sequence[Listed], changed: Mapping[str, Record] | None = None) -> Retried:
    """Send those of `records` that are dead letters once more, as `changed` says by key where it does, and those that
    wait for their next try at once. One transaction. What is unsettled is looked up before it is sent.

    An update or a setting says nothing of fields that later ones have set, unless `changed` says something else of them
    than before. Of `changed`, all are sent or none: OutboxError where one is no dead letter any more, or its interval
    is not known any more.
    """
    done = Retried()
    with outbox.transaction() as transaction:
        for listed in records:
            if listed.where in LETTERS:
                done += _retry(outbox, transaction, listed, changed)
            elif listed.where == "again":
                done += Retried(sent=_hurry(outbox, transaction, listed))
    return done


def _retry(outbox: Outbox, transaction: Transaction, listed: Listed, changed: Mapping[str, Record] | None) -> Retried:
    record = (changed or {}).get(listed.record.key, listed.record)
    interval, letter = transaction.interval_of(record), dead_letter_at(outbox, listed.position)
    if interval is None and isinstance(record, StartInterval) and letter is not None:
        interval = transaction.intervals[record.key] = Interval(record.line, record.type, record.start)
    if isinstance(record, Setting) and letter is not None:
        _take(transaction, listed)
        again = settings_index.as_corrected(record, letter) if changed else letter.record
        record_rules.put_back(transaction, StoredRecord(again))
        return Retried(sent=1)
    if letter is None or interval is None:
        if changed is not None:
            why = "it is not a dead letter any more" if letter is None else "its interval is not known any more"
            raise OutboxError(f"{record.key} cannot be sent: {why}. Nothing was changed.")
        return Retried(hopeless=1)
    _take(transaction, listed)
    interval.gone = interval.held  # whether it is at Oden by now shows itself when this is sent
    late = _counted_again(record, interval)
    outdated = False
    if isinstance(record, UpdateInterval):
        record, outdated = _of_today(record, letter, interval)
        if not set_fields(record):
            transaction.totals.outdated += 1
            record_rules.retire(transaction, record.interval, interval)
            return Retried(outdated=1)
    interval.ended = interval.ended or end_of(record) is not None
    record_rules.put_back(transaction, StoredRecord(record, late, unsure=letter.unsettled))
    return Retried(sent=1, outdated=outdated)


def _counted_again(record: Record, interval: Interval) -> bool:
    """Count the record of a dead letter as one that is still to be delivered; whether it is so late that the end does
    not wait for it."""
    interval.dead = max(0, interval.dead - 1)
    late = kind_of(record).interval == "adds" and interval.ended
    if kind_of(record).interval == "adds":
        interval.count_in(late=late)
    return late


def settle(outbox: Outbox, listed: Listed, oden_id: str | None) -> None:
    """A person has looked: the unsettled record is at Oden, an interval under the id `oden_id`; or, where that is None,
    it is not, and is sent. One transaction. OutboxError where it is unsettled no more."""
    letter = dead_letter_at(outbox, listed.position)
    if letter is None or not letter.unsettled:
        raise OutboxError(f"{listed.record.key} is not unsettled any more. Nothing was changed.")
    with outbox.transaction() as transaction:
        record, interval = letter.record, transaction.interval_of(letter.record)
        _take(transaction, listed)
        late = interval is not None and _counted_again(record, interval)
        if oden_id is None:
            if isinstance(record, StartInterval):
                left_open.said_absent(outbox, transaction, record)
            record_rules.put_back(transaction, StoredRecord(record, late))
        else:
            record_rules.delivered(transaction, StoredRecord(record, late), oden_id)


def _of_today(record: UpdateInterval, letter: DeadLetter, interval: Interval) -> tuple[UpdateInterval, bool]:
    """The update without what later ones say differently, and whether there was such. What a person has changed is the
    latest word itself."""
    before = set_fields(letter.record) if isinstance(letter.record, UpdateInterval) else {}
    new = [name for name, value in set_fields(record).items() if before.get(name) != value]
    interval.count_update(new)
    known = letter.field_versions
    if known is None:
        return record, False
    old = {name for name in before if interval.field_versions.get(name, 0) > known.get(name, -1)} - {*new}
    left = without(record, old)
    return left, left != record


def _hurry(outbox: Outbox, transaction: Transaction, listed: Listed) -> bool:
    """Whether an attempt that waits for its next try carries the record; it is tried at once then."""
    attempt = attempt_of(outbox, listed)
    if attempt is None or attempt.phase != "retry":
        return False
    transaction.hurry(attempt)
    return True


def drop(outbox: Outbox, records: Sequence[Listed], dependents: Sequence[Listed] = ()) -> int:
    """Give up those of `records` that are dead letters, and with what opens an interval all that names it:
    `dependents`, and what was parked since they were looked for. Of those that are held because their interval was
    deleted at Oden, all that is held for it goes. One transaction; answers how many records it were.
    Nothing else can be dropped."""
    with outbox.transaction() as transaction:
        before = transaction.totals.dropped
        withdrawn: set[str] = set()
        for listed in records:
            if listed.where == "deleted":
                gone.drop_held(transaction, listed.record.interval)
            if listed.where not in LETTERS or dead_letter_at(outbox, listed.position) is None:
                continue
            _take(transaction, listed)
            transaction.totals.dropped += 1
            transaction.totals.dropped += balance.lost(transaction, listed.record)
            interval = transaction.interval_of(listed.record)
            if kind_of(listed.record).withdrawal == "with_interval":
                withdrawn.add(listed.record.interval)
            elif interval is not None:
                interval.dead = max(0, interval.dead - 1)
                interval.closed = interval.closed or end_of(listed.record) is not None
                record_rules.retire(transaction, listed.record.interval, interval)
        for listed in dependents:
            name, position = listed.lane, listed.position
            if listed.record.interval in withdrawn and outbox.row(f"record/{name}/{position}") is not None:
                interval = transaction.interval_of(listed.record)
                if interval is not None and is_parked(name):
                    interval.parked -= 1
                _lose(transaction, name, position)
        for key in withdrawn:
            _withdraw_interval(transaction, key)
        return transaction.totals.dropped - before


def _withdraw_interval(transaction: Transaction, key: str) -> None:
    """Forget an interval, and drop what is parked with it."""
    interval = transaction.interval(key)
    if interval is not None and interval.parked:
        for position, _ in record_rules.parked_with(transaction, key, interval):
            _lose(transaction, parked_lane(interval.line), position)
    transaction.intervals[key] = None


def _take(transaction: Transaction, letter: Listed) -> None:
    """Take a dead letter out of its lane. Starts that wait because of it are sent as soon as nothing else keeps them
    back."""
    transaction.take(DEAD, letter.position)
    transaction.totals.unsettled -= letter.where == "unsettled"
    if isinstance(letter.record, Setting):
        entry = transaction.setting_entry(letter.record)
        entry.refused = [at for at in entry.refused if at != letter.position]
    else:
        transaction.hurry_after(starts_lane(letter.record.line, letter.record.type), letter.record.interval)


def _lose(transaction: Transaction, name: str, position: int) -> None:
    stored = transaction.record(name, position)
    transaction.take(name, position)
    transaction.totals.dropped += 1
    if stored is not None:
        transaction.totals.dropped += balance.lost(transaction, stored.record)


def exported(listed: Listed) -> str:
    """One line of an export: the record's own fields, which may be changed and read back, and where it is and why."""
    record = RECORD.dump_python(listed.record, mode="json")
    return json.dumps({"where": listed.where, "error": listed.error} | record, ensure_ascii=False)


def imported(lines: Sequence[str]) -> dict[str, tuple[int, Record]]:
    """Records by key from the lines of an export, with the numbers of their lines. Raises OutboxError, naming the
    line."""
    records: dict[str, tuple[int, Record]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            record = RECORD.validate_json(line, strict=True)
        except ValueError as error:
            raise OutboxError(f"line {number}: {_what_is_wrong(error)}") from None
        known = {_EXPORTED.get(field.name, field.name) for field in fields(record)}
        unknown = given.keys() - known - NOTED
        if unknown:
            raise OutboxError(f"line {number}: a record has no '{min(unknown)}'")
        if record.key in records:
            raise OutboxError(f"line {number}: {record.key} is there twice, first on line {records[record.key][0]}")
        records[record.key] = number, record
    return records


def compare(letters: Collection[Listed], changed: Mapping[str, tuple[int, Record]]) -> None:
    """Raises OutboxError, naming the line, where a changed record is not one of the dead `letters` or says what it
    cannot."""
    known = {listed.record.key: listed.record for listed in letters if listed.where == "dead"}
    for key, (number, record) in changed.items():
        if key not in known:
            raise OutboxError(f"line {number}: there is no dead letter {key}")
        wrong = _unfit(known[key], record)
        if wrong:
            raise OutboxError(f"line {number}: {wrong}")


def _unfit(old: Record, new: Record) -> str | None:
    """Why `new` cannot stand for `old`.

    Others depend on what a record belongs to; and by its start or time stamp it is found again at Oden, where nothing
    else may have the same.
    """
    for name in ("kind", "line", "type", "interval", "at", "start", "timestamp"):
        was, now = getattr(old, name, None), getattr(new, name, None)
        if was != now:
            return (
                f"'{name}' cannot be changed, it was {json.dumps(was)}: "
                "others depend on it, or it finds the record at Oden"
            )
    if isinstance(new, Addition) and any(isinstance(new.raw_data.get(name), bool | str | None) for name in new.amounts):
        return "each of 'amounts' must be a number in 'raw_data'"
    end = end_of(new)
    if end is None and end_of(old) is not None:
        return "'end' cannot be taken away, only changed"
    if isinstance(new, StartInterval) and end is not None and end <= new.start:
        return "'end' must be after 'start'"
    return None


def _what_is_wrong(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"this is not JSON: {error.msg} at column {error.colno}"
    listed = error.errors() if isinstance(error, ValidationError) else []
    if not listed:
        return str(error)
    loc = ".".join(str(part) for part in listed[0]["loc"][1:])
    return f"this is not a record: {loc + ': ' if loc else ''}{listed[0]['msg']}"


def pause(outbox: Outbox, paused: Pause) -> Pause:
    """Have delivery paused until `resume`, also over restarts; answers with the pause that counts: the first."""
    before = paused_by(outbox)
    if before is not None:
        return before
    with outbox.transaction() as transaction:
        transaction.put["pause"] = PAUSE.dump_json(paused).decode()
    return paused


def resume(outbox: Outbox) -> Pause | None:
    """Have delivery go on; answers with the pause that was, None where there was none."""
    before = paused_by(outbox)
    with outbox.transaction() as transaction:
        transaction.drop.add("pause")
    return before


def paused_by(outbox: Outbox) -> Pause | None:
    """The pause that is on."""
    return PAUSE.validate_json(outbox.row("pause") or "null")
