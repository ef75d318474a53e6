"""What a record is about, in the words of the plant. Pure."""

from collections.abc import Mapping

from pydantic import JsonValue

from gateway.model import Output, Record, Scalar, Setting, StartInterval, UpdateInterval
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
