"""What a record is about, in the words of the plant: on the page, and in full for the commands. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from gateway.model import BUILT_IN, Output, Record, Scalar, Setting, StartInterval, UpdateInterval
from gateway.outbox.entries import Interval

MOST_SHOWN = 4
"""So many things are named in one sentence."""


def in_words(record: Record, interval: Interval | None) -> str:
    """What `record` says, such as `start of run WO-1007`; `interval` is what is known of the interval it is about."""
    match record:
        case StartInterval():
            return f"start of {_called(record.type, record.name, record.metadata)}"
        case UpdateInterval():
            what = "end of" if record.end is not None else "change of"
            told = interval.told if interval is not None and interval.told is not None else {}
            name = record.name or told.get("name")
            return f"{what} {_called(record.type, name if isinstance(name, str) else None, record.metadata)}"
        case Output():
            what = "quality test" if record.quality_schema is not None else "output"
            return f"{what} of a {_type(record.type)}: {_listed(record.raw_data)}"
        case Setting():
            about = " ".join(str(part) for part in record.about if part is not None)
            return f"{record.type.replace('_', ' ')} {about}".strip()


def began(record: Record, interval: Interval | None) -> float | None:
    """When the interval that `record` is about began; None where it is about none, or that is not known."""
    if isinstance(record, StartInterval):
        return record.start
    return interval.start if interval is not None and not isinstance(record, Setting) else None


def _called(kind: str, name: str | None, metadata: Mapping[str, JsonValue]) -> str:
    said = name or next((str(metadata[key]) for key in ("category", "product") if metadata.get(key)), None)
    return f"{_type(kind)} {said}" if said else f"a {_type(kind)}"


def _type(kind: str) -> str:
    return kind.lower() if kind in {"RUN", "BATCH", "STATE"} else kind


def _listed(values: Mapping[str, Scalar]) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in [*values.items()][:MOST_SHOWN])
    return f"{shown} …" if len(values) > MOST_SHOWN else shown


def in_full(record: Record, width: int = 1000) -> str:
    """The record in plain words, with its time. Names are cut where they are longer than `width` has room for, times
    are not."""
    subject, when = _subject_and_time(record)
    room = max(8, width - len(when) - 1)
    return f"{subject if len(subject) <= room else subject[: room - 1] + '…'} {when}".rstrip()


def _subject_and_time(record: Record) -> tuple[str, str]:
    """What the record is about, and when that is."""
    if isinstance(record, Setting):
        fields = ", ".join(f"{name} {_plain(value)}" for name, value in record.fields.items())
        return f"{record.type.replace('_', ' ')}: {fields}", f"from {moment(record.at)}"
    kind = record.type.lower() if record.type in BUILT_IN else record.type
    if isinstance(record, Output):
        amounts = [f"{_number(record.raw_data.get(name))} {name}" for name in record.amounts]
        others = [str(value) for name, value in record.raw_data.items() if name not in record.amounts]
        if not amounts:
            others = [f"{name} {_number(value)}" for name, value in record.raw_data.items()]
        return " ".join(filter(None, [", ".join(amounts), ", ".join(others)])), f"at {moment(record.timestamp)}"
    details = ", ".join(str(value) for value in record.metadata.values())
    if isinstance(record, UpdateInterval):
        changes = " and ".join(filter(None, [f"named {record.name}" if record.name else "", details]))
        subject = f"{kind} is {changes}" if changes else kind
        return subject, "" if record.end is None else f"{'and ' if changes else ''}ends {moment(record.end)}"
    subject = " ".join(filter(None, [kind, record.name or details]))
    if record.end is None:
        return subject, f"starts {moment(record.start)}"
    return subject, f"{moment(record.start)} to {moment(record.end)}"


def _plain(value: JsonValue) -> str:
    """A value; of an object that has a name, the name."""
    name = value.get("name") if isinstance(value, dict) else value
    return str(value if name is None else name)


def moment(seconds: float) -> str:
    """A time in this machine's time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
