"""What is wrong, in sentences."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.batch import IntakeHealth
from gateway.delivery.breaker import REFUSES
from gateway.errors import CERTIFICATE_DATES, OutboxError, OutboxFull
from gateway.health import Condition
from gateway.model import Notice
from gateway.outbox.directory import REMOVED
from gateway.status import findings
from gateway.status.findings import LATELY
from gateway.status.snapshot import Snapshot, SourceStatus
from tests.status.conftest import NOW

UNREACHABLE = "Oden cannot be reached (connection refused)"


def texts(conditions: Iterable[Condition]) -> list[str]:
    return [condition.text for condition in conditions]


def held(picture: Snapshot, why: str, retry_at: float, waiting: int = 412) -> list[str]:
    oden = replace(picture.oden, held=why, retry_at=retry_at)
    outbox = replace(
        picture.outbox, records={**picture.outbox.records, "waiting": waiting, "sending": 0, "in_doubt": 0}
    )
    return texts(findings.delivery(oden, picture.lines, outbox, NOW))


def test_oden_cannot_be_reached(picture: Snapshot) -> None:
    """Why, that nothing is lost, and when it is tried again."""
    said = held(picture, UNREACHABLE, NOW + 12.2)
    assert said == [f"{UNREACHABLE}; 412 records are safe on disk; tried again in 12 s."]
    assert held(picture, UNREACHABLE, NOW - 3.0, 1) == [f"{UNREACHABLE}; 1 record is safe on disk; tried again now."]


def test_p11_a_certificate_that_is_refused_for_its_dates_is_a_problem_with_its_name(picture: Snapshot) -> None:
    """It may be the clock of this machine that is wrong: what it shows is said."""
    for words in CERTIFICATE_DATES:
        oden = replace(picture.oden, held=f"Oden cannot be reached ({words})")
        kinds = {found.kind: found.text for found in findings.delivery(oden, picture.lines, picture.outbox, NOW)}
        assert next(iter(kinds)) == "certificate_dates"
        assert f"({words}); for the gateway it is 20" in kinds["certificate_dates"]


def test_files_that_were_removed_are_no_full_disk_and_nothing_is_called_safe(picture: Snapshot) -> None:
    """A problem with its name; what waits is not safe on disk then."""
    full = f"{REMOVED} in /var/lib/oden-gateway"
    [condition] = findings.intake(IntakeHealth(), full)
    assert condition.kind == "outbox_removed"
    assert findings.is_removed(full)
    assert not findings.is_removed("the disk is full")
    oden = replace(picture.oden, held=UNREACHABLE)
    [said] = texts(findings.delivery(oden, picture.lines, picture.outbox, NOW, safe=False))
    assert "safe" not in said
    assert " wait" in said


def test_p6_little_room_is_a_problem_until_there_is_none() -> None:
    """Then it is that nothing is taken in which counts."""
    [condition] = findings.filling("it takes 1.7 GB, and 2.0 GB are allowed (`size_limit`)", None)
    assert condition.kind == "outbox_filling"
    assert condition.text.startswith("The outbox fills up: it takes 1.7 GB")
    assert [*findings.filling("it takes 2.0 GB", "the outbox takes 2.0 GB"), *findings.filling(None, None)] == []


def test_oden_answers_and_nothing_is_delivered(picture: Snapshot) -> None:
    """An answer of Oden's is told as that."""
    [said] = held(picture, "401: bad token", NOW + 60)
    assert said == "Nothing is delivered to Oden: 401: bad token; 412 records are safe on disk; tried again in 60 s."


def test_a_line_that_is_held(picture: Snapshot) -> None:
    """It is named, and the others are not."""
    lines = (picture.lines[0], replace(picture.lines[1], held="403: not allowed"))
    [condition] = findings.delivery(picture.oden, lines, picture.outbox, NOW)
    assert (condition.kind, condition.object) == ("line_held", lines[1].key)
    assert condition.text == "Factory A, Line 02: nothing is delivered: 403: not allowed"


def test_p9_oden_takes_nothing_of_what_it_is_told(picture: Snapshot) -> None:
    """That is a fault, held or not, unless something else holds all, or nothing is left of what was refused."""
    refuses = f"{REFUSES} (no such product), which looks like the configuration"

    def kinds(held: str | None, waiting: int = 0, dead: int = 0) -> list[str]:
        oden = replace(picture.oden, held=held, refuses=refuses)
        outbox = replace(
            picture.outbox,
            records={"waiting": waiting, "sending": 0, "in_doubt": 0, "parked": 0, "dead": dead, "unsettled": 0},
        )
        return [condition.kind for condition in findings.delivery(oden, picture.lines, outbox, NOW)]

    assert kinds(None, dead=3) == kinds(refuses, waiting=1) == ["oden_refuses"]
    assert kinds("401: bad token", dead=3) == ["oden_held"]
    assert kinds(None) == []


def test_a_plant_of_which_each_line_is_held_delivers_nothing(picture: Snapshot) -> None:
    """What holds each of the lines holds delivery: health says so, and each line is named as well."""
    lines = tuple(replace(line, held="403: not allowed") for line in picture.lines)
    kinds = [condition.kind for condition in findings.delivery(picture.oden, lines, picture.outbox, NOW)]
    assert kinds == ["oden_held", "line_held", "line_held"]


def test_oden_that_never_answers_is_said_after_a_while(picture: Snapshot) -> None:
    """Requests that leave without an answer are told after SILENT; while all is held anyway, that is the reason."""
    silent = replace(picture.oden, silent_seconds=findings.SILENT)
    [said] = texts(findings.silence(silent, picture.outbox))
    assert said.startswith("Oden has not answered for 20 s; 15 records are safe on disk")
    assert texts(findings.silence(replace(silent, silent_seconds=19.0), picture.outbox)) == []
    assert texts(findings.silence(replace(silent, held="401"), picture.outbox)) == []
    assert texts(findings.silence(picture.oden, picture.outbox)) == []


def test_a_refused_tag_is_named(picture: Snapshot) -> None:
    """A connected source with a refused tag is a problem that names the tag and says how many more there are."""
    [plc, floor] = picture.sources
    refused = replace(plc, failed={"ns=2;s=A": "the server refuses it", "ns=2;s=B": "the same"})
    assert texts(findings.connections((plc, refused, floor))) == [
        "Source press_plc: ns=2;s=A is not received (the server refuses it), and 1 more.",
        "Source floor is not connected: connection refused",
    ]


def test_where_no_tag_is_received_nothing_is_taken_in(picture: Snapshot) -> None:
    """As after a download to the PLC that has given all tags other names; another source that is heard is enough."""
    reasons = {"ns=2;s=Count": "BadNodeIdUnknown", "ns=2;s=State": "BadNodeIdUnknown"}
    deaf = replace(picture.sources[0], connected=True, failed=reasons, deaf=True)
    [condition] = findings.connections([deaf])
    assert condition.kind == "sources_away"
    assert condition.text == f"Source {deaf.name}: ns=2;s=Count is not received (BadNodeIdUnknown), and 1 more."
    heard = replace(deaf, name="other", failed={}, deaf=False)
    assert [condition.kind for condition in findings.connections([deaf, heard])] == ["address_refused"]


def test_a_line_whose_inputs_are_quiet_is_a_problem(picture: Snapshot) -> None:
    """For as long as they are, with their names: three, and how many more there are."""
    line = picture.lines[0]
    assert [*findings.unheard(line, {})] == []
    inputs = dict.fromkeys(("e", "d", "b"), (NOW - 60.0, "says nothing")) | {"a": (NOW - 3600.0, "is bad")}
    [condition] = findings.unheard(line, inputs)
    assert (condition.kind, condition.object) == ("line_unknown", line.key)
    since = datetime.fromtimestamp(NOW - 3600, UTC).strftime("%Y-%m-%d %H:%M UTC")
    why = f"what it does is not known since {since}: a is bad, b says nothing, d says nothing and 1 more."
    assert condition.text == f"{line.factory}, {line.line}: {why}"


def test_values_that_arrive_late_are_a_problem_of_their_source() -> None:
    """A source that is away has another problem."""
    plc = SourceStatus("plc", "opcua", True, NOW, "connected", {}, NOW - 5, {}, gaps=0, newest_age=20.0)
    assert texts(findings.connections((plc,))) == []
    late = replace(plc, late=True)
    assert texts(findings.connections((late,))) == [
        "Source plc: what arrives is 20 s old: it is slow, or its clock is wrong."
    ]
    away = replace(late, connected=False, detail="cut")
    assert texts(findings.connections((away,))) == ["Source plc is not connected: cut"]


def notices(kind: str, *ages: float) -> list[Notice]:
    return [Notice(kind, NOW - age, "floor", "a/b", f"text {age}") for age in ages]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], []),
        (notices("gap", LATELY + 1), []),
        (notices("reject", 5, LATELY + 1), ["1 value or message could not be used (rejects)"]),
        (notices("gap", 5, 6), ["data may have been missed 2 times (gaps)"]),
        (
            notices("reject", 1, 2) + notices("gap", 3),
            ["2 values or messages could not be used (rejects) and data may have been missed once (gaps)"],
        ),
        (notices("time", 1), ["the time of arrival counts for what came with a wrong time or with none (times)"]),
        (notices("oden", 1), ["something was found at Oden that was not told from here once (oden)"]),
        (notices("loss", 1), []),
    ],
)
def test_hints_are_about_the_last_hour(given: list[Notice], said: list[str]) -> None:
    """Gaps and rejects of the last hour are counted in one sentence; older ones, and losses, are not in it."""
    assert list(findings.hints(given, len(given), NOW)) == [f"In the last hour {text}." for text in said]


def test_hints_where_not_all_are_kept() -> None:
    """Where even the oldest notice that is kept is of the last hour, there may have been more."""
    [said] = findings.hints(notices("gap", 1, 2), 900, NOW)
    assert said.endswith("missed 2 times (gaps), or more.")
    [said] = findings.hints(notices("gap", 1, LATELY + 1), 900, NOW)
    assert said.endswith("missed once (gaps).")


def test_a_loss_is_a_problem_for_an_hour() -> None:
    """How often, and what was lost last."""
    [said] = texts(findings.losses(notices("loss", 5, 90), NOW))
    assert said == "In the last hour output was lost 2 times, the last time: text 5."
    assert list(findings.losses(notices("loss", LATELY + 1) + notices("gap", 1), NOW)) == []


def test_dead_letters_and_what_waits_for_them(picture: Snapshot) -> None:
    """Refused records are a problem; records that wait for a start in doubt are none."""
    [said] = texts(findings.dead_letters(picture.outbox))
    assert said == "Oden refused 3 records for good (dead letters); 4 more wait for them."
    parked = replace(picture.outbox, records={**picture.outbox.records, "dead": 0})
    assert list(findings.dead_letters(parked)) == []


def test_p7_damage_is_told_until_somebody_has_seen_to_it() -> None:
    """Each folder of damaged files is named."""
    assert list(findings.damage(())) == []
    [said] = texts(findings.damage(("outbox-damaged-2026",)))
    assert "outbox verify" in said
    assert said.endswith("outbox-damaged-2026.")


def test_p6_why_nothing_is_taken_in() -> None:
    """A full outbox is waited for by design; one that cannot be used is a fault; a line that cannot be mapped is
    named.
    """
    health = IntakeHealth(faults={"A/1": "ValueError: odd"})
    health.block(OutboxError("no right to write"))
    full, line = findings.intake(health, "the disk is full")
    assert (full.kind, full.text) == ("outbox_full", "Nothing is taken in: the disk is full.")
    assert (line.kind, line.object) == ("line_not_mapped", "A/1")
    assert next(iter(findings.intake(health, None))).kind == "outbox_unwritable"
    health.block(OutboxFull("1% of the disk are free"))
    said = next(iter(findings.intake(health, None)))
    assert (said.kind, said.text) == ("outbox_full", "Nothing is taken in: 1% of the disk are free.")
    health.block(None)
    assert [found.kind for found in findings.intake(health, None)] == ["line_not_mapped"]
    assert list(findings.intake(IntakeHealth(), None)) == []
