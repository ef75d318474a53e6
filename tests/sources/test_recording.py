"""The format of recordings: what is written can be read again, and what cannot be read is named with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Contact, Notice, Sample
from gateway.sources.recording import Event, RecordingError, line_of, read

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3))
)
TIMES = st.floats(0, 4e9)
SAMPLES = st.builds(
    Sample,
    st.text(min_size=1),
    st.text(),
    VALUES,
    TIMES,
    st.sampled_from(("good", "uncertain", "bad")),
    st.none() | TIMES,
    st.booleans(),
    st.booleans(),
    st.text(),
    st.integers(0, 3),
    st.sampled_from((0.0, 12.5)),
)


CONTACTS = st.one_of(
    st.builds(lambda source, at, ago: Contact(source, at, "lost", max(0.0, at - ago)), st.text(), TIMES, TIMES),
    st.builds(lambda source, at: Contact(source, at, "back", at), st.text(), TIMES),
)


REJECTED = st.builds(Notice, st.just("reject"), TIMES, st.text(), st.text(), st.text(), st.integers(1, 9))


def at(event: Event) -> float:
    return event if isinstance(event, float) else event.at if isinstance(event, Notice) else event.received


@given(st.lists(st.one_of(SAMPLES, CONTACTS, REJECTED, TIMES), max_size=5))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> None:
    """Any samples, losses of sources, rejects and times, in order, come back equal."""
    events.sort(key=at)
    path = tmp_path_factory.mktemp("recording") / "recording.jsonl"
    path.write_text("".join(f"{line_of(event)}\n" for event in events), encoding="utf-8")
    assert list(read(path)) == events


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "not JSON"),
        ("[1]", 'write {"at"'),
        ('{"source": "plc"}', 'write {"at"'),
        ('{"at": "2026-01-05T06:00:00", "source": "plc", "address": "A"}', "zone"),
        ('{"at": true}', "a time is"),
        ('{"at": 1, "source": "plc", "address": "A", "rejected": "why", "count": 0}', "of what is rejected"),
        ('{"at": 1, "sorce": "plc"}', "unknown: sorce"),
        ('{"at": 1, "source": "plc"}', "address"),
        ('{"at": 1, "source": "plc", "address": "A", "quality": "poor"}', "quality"),
        ('{"at": 1, "source": "plc", "back": 1}', "back"),
        ('{"at": 1, "source": "plc", "lost": 1, "back": true}', "of a source write"),
        ('{"at": 1, "lost": 1}', "of a source write"),
        ('{"at": 1, "source": "plc", "lost": "yesterday"}', "isoformat"),
        ('{"at": 9}\n{"at": 8}', "before that of the line above"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, text: str, reason: str) -> None:
    """File, line and what is wrong; what stands before it is given out."""
    path = tmp_path / "recording.jsonl"
    path.write_text(f'{{"at": 1}}\n\n{text}\n', encoding="utf-8")
    number = 4 if text.startswith('{"at": 9}') else 3
    with pytest.raises(RecordingError, match=rf"recording\.jsonl:{number}: ") as caught:
        list(read(path))
    assert reason in str(caught.value)


def test_times_may_be_written_as_people_do(tmp_path: Path) -> None:
    """ISO 8601 with a zone is the same as seconds since 1970."""
    path = tmp_path / "recording.jsonl"
    path.write_text('{"at": "2026-01-05T07:00:00+01:00"}\n{"at": 1767592801.5}\n', encoding="utf-8")
    assert list(read(path)) == [1767592800.0, 1767592801.5]
