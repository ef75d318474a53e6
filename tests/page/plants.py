"""Plants for the status page to be looked at: pictures of a gateway with some lines, healthy or not, with a history.

`python -m tests.page.plants PORT LINES healthy|faulty` serves one until it is ended, with `TOKEN` for actions.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from gateway.health import KINDS, FlowHealth, KindName, Problem
from gateway.model import KeptReject, Notice, Output, Record, StartInterval, UpdateInterval, record_key
from gateway.status.actions import Actions
from gateway.status.history import History, Span, Trend
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
from gateway.status.web import StatusServer
from gateway.ways import BY_SYSTEMD

TOKEN = "0123456789abcdef"
"""Of the actions."""
TONES = {"Uptime": "running", "Changeover": "planned", "Unplanned Downtime": "stopped"}
"""How the plants' categories are shown."""
PRODUCTS = ("Film 20 µm clear", "Film 35 µm blue", "Stretch hood 90 µm")
LONG = "Silage stretch film 25 µm UV12 white/black 750 mm x 1,500 m"
STATES = (
    ("Uptime", None),
    ("Uptime", None),
    ("Unplanned Downtime", "Jam at the winder"),
    ("Uptime", None),
    ("Changeover", "Product change"),
)


def plant(lines: int, *, faulty: bool, now: float, paused: bool = False, away: int = 1) -> Snapshot:
    """A plant of so many lines at `now`, with delivery `paused` by a person; `away` sources are, if it is faulty."""
    problems = _problems(now, away) if faulty else ()
    if paused:
        said = "Delivery to Oden was paused by anna (lines are renamed) at 2026-11-22 08:00 UTC; 4 records are safe"
        problems = (_problem("delivery_paused", "", f"{said}, until it is resumed.", now - 1_800), *problems)
    return Snapshot(
        version="0.1.0",
        started_at=now - 9 * 86_400,
        now=now,
        ready=not faulty,
        not_ready=problems[0].text if faulty else None,
        taking_in=FlowHealth("yes"),
        delivering=FlowHealth("waiting", problems[0].text, now - 5400) if faulty else FlowHealth("yes"),
        problems=problems,
        hints=("In the last hour 3 values or messages could not be used (rejects).",) if faulty else (),
        sources=_sources(now, faulty=faulty),
        lines=tuple(line(number, lines, faulty=faulty, now=now) for number in range(1, lines + 1)),
        outbox=OutboxStatus(
            {
                "waiting": 1204 if faulty else 3,
                "sending": 0 if faulty else 1,
                "in_doubt": 0,
                "parked": 14 if faulty else 0,
                "dead": 1 if faulty else 0,
                "unsettled": 1 if faulty else 0,
            },
            now - 5400 if faulty else now - 4,
            float("inf") if faulty else 4.0,
            18_400_000,
            2 * 2**30,
            paused_since=now - 1_800 if paused else None,
        ),
        oden=OdenStatus(
            url="https://api.oden.app/v2",
            held="Oden cannot be reached (connection refused)" if faulty else None,
            retry_at=now + 42 if faulty else None,
            last_success_at=now - 5400 if faulty else now - 3,
            last_error="Oden cannot be reached (connection refused)" if faulty else None,
            last_error_at=now - 20 if faulty else None,
            requests={("interval", "set", "delivered"): 18_204, ("scrap_yield", "set", "delivered"): 60_118}
            | ({("interval", "set", "hold_api"): 88} if faulty else {}),
            seconds=Histogram((0.1, 0.5, 1.0), (41_000, 36_000, 1_200, 122), 18_411.0),
            used_share=0.0 if faulty else 0.31,
        ),
        records_total={"start": 20_114, "update": 19_870, "output": 201_455},
        merged_total=140_212,
        lost_total={"no_room_without_run": 0, "drop_oldest_output": 0},
        rejects_total=3 if faulty else 0,
        rejected=RejectedStatus(
            2, 640, 0, 30, (KeptReject(17, now - 60, "floor", "plant-a/L01/order", "order is missing", 320),)
        )
        if faulty
        else RejectedStatus(0, 0, 0, 0, ()),
        notices=(
            (
                Notice("reject", now - 600, "floor", "plant-a/L03/events/scrap", "the field qty is missing"),
                Notice("gap", now - 5000, "press_plc", "", "not connected from 06:10 to 06:12: states may be missing"),
            )
            if faulty
            else ()
        ),
        dead_letters=_letters(now) if faulty else (),
    )  # fmt: skip


def line(number: int, of: int, *, faulty: bool, now: float) -> LineStatus:
    """One line of a plant of so many."""
    category, reason = STATES[number % len(STATES)] if of > 1 else STATES[0]
    product = LONG if number % 12 == 9 else PRODUCTS[number % len(PRODUCTS)]
    made = 1_000 * number + 217
    unknown = faulty and number % 4 == 3
    shift = now - now % 28_800
    return LineStatus(
        key=f"Factory A/Line {number:02}",
        factory="Factory A",
        line=f"Line {number:02}" if number != 26 else "Extrusion line 26 (hall 3, east)",
        oden_id="5f1c",
        run=RunStatus(
            f"WO-{1000 + number}",
            product,
            now - 4_000 - 60 * number,
        ),
        state=StateStatus(category, reason, now - 90 * number - 30),
        held="Oden does not know line Line 02 of Factory A" if faulty and number == 2 else None,
        inputs={
            "state": InputStatus(3, now - 2, "good"),
            "good": InputStatus(65_530, now - 0.3, "good"),
            "scrap": InputStatus({"qty": 3, "code": "Splice"}, now - 600, "bad" if unknown else "good"),
        },
        without_run={},
        waiting=30 if faulty else 0,
        tone=TONES[category],  # type: ignore[arg-type]
        tones=TONES,  # type: ignore[arg-type]
        unknown_since=now - 900 if unknown else None,
        batch=IntervalStatus(f"WO-{1000 + number}-2", now - 1_900),
        intervals={"Operator": IntervalStatus("Anna", shift), "Shift": IntervalStatus("Early", shift)},
        totals=(
            Total("RUN", "good", made, {"": made}),
            Total("RUN", "scrap", 23, {"Splice": 14, "Gauge": 9}),
            Total("Shift", "good", made + 4_004, {"": made + 4_004}),
            Total("Shift", "scrap", 61, {"Splice": 61}),
        ),
        revision=1,
    )


def history(lines: int, *, faulty: bool, now: float) -> History:
    """The last twelve hours of such a plant."""
    told = History()
    for number in range(1, lines + 1):
        key = f"Factory A/Line {number:02}"
        told.take(_twelve_hours(key, number, now))
        if faulty and number % 4 == 3:
            told.begin(Span(f"?{number}", key, "?", int(now - 900)))
    return told


def trend(now: float, *, faulty: bool) -> Trend:
    """The same hours as points: a backlog at night and, where it is faulty, one that grows."""
    told, made = Trend(), 0
    whole = plant(1, faulty=False, now=now)
    for minute in range(12 * 60):
        at = now - (12 * 60 - 1 - minute) * 60
        night = max(0, 900 - abs(minute - 200) * 9)
        away = faulty and minute > 630
        waiting = (minute - 630) * 13 if away else night + minute % 7
        made += 0 if away else 55 if night else 17 + minute % 9
        told.take(
            replace(
                whole,
                now=at,
                outbox=replace(
                    whole.outbox,
                    records=whole.outbox.records | {"waiting": waiting, "sending": 0},  # type: ignore[operator]
                    drain_seconds=float("inf") if away else float(waiting),
                ),
                oden=replace(whole.oden, requests={("interval", "set", "delivered"): made}),
            )
        )
    return told


def _twelve_hours(key: str, number: int, now: float) -> list[Record]:
    records: list[Record] = []
    at, place = int(now - 12 * 3600), number
    while at < now - 60:
        category, reason = STATES[place % len(STATES)]
        lasts = (4_000 if category == "Uptime" else 700) + 37 * (number + place) % 900
        end = at + lasts
        state = StartInterval(
            record_key(key, place, 1.0), key, 1.0, "STATE", at, None, {"category": category, "reason": reason}
        )
        records.append(state)
        if end < now - 60:
            records.append(UpdateInterval(record_key(key, 1000 + place, 1.0), key, 1.0, "STATE", state.key, end))
        at, place = end, place + 1
    for order in range(4):
        start = int(now - 12 * 3600 + order * 11_000)
        run = StartInterval(
            record_key(key, 2000 + order, 1.0),
            key,
            1.0,
            "RUN",
            start,
            f"WO-{990 + number + order}",
            {"product": PRODUCTS[order % 3]},
        )
        records.append(run)
        if order < 3:
            records.append(UpdateInterval(record_key(key, 3000 + order, 1.0), key, 1.0, "RUN", run.key, start + 10_400))
        records.append(
            Output(record_key(key, 4000 + order, 1.0), key, 1.0, "RUN", run.key, start + 60, {"good": 100}, ("good",))
        )
    return records


def _problem(kind: KindName, object_: str, text: str, since: float) -> Problem:
    return Problem(kind, object_, since, text, BY_SYSTEMD.filled(KINDS[kind].remedy))


def _problems(now: float, away: int) -> tuple[Problem, ...]:
    said: tuple[tuple[KindName, str, str, float], ...] = (
        (
            "oden_held",
            "",
            "Oden cannot be reached (connection refused); 1,204 records are safe on disk; tried again in 42 s.",
            5400,
        ),
        *(
            ("source_away", name, f"Source {name} is not connected: connection refused by broker.plant-a.local", 900)
            for name in ("floor", *(f"hall{number}" for number in range(2, away + 1)))
        ),
        ("dead_letters", "", "Oden refused 2 records for good (dead letters); 14 more wait for them.", 7000),
    )
    return tuple(_problem(kind, about, text, now - ago) for kind, about, text, ago in said)


def _sources(now: float, *, faulty: bool) -> tuple[SourceStatus, ...]:
    plc = SourceStatus(
        "press_plc", "opcua", True, now - 80_000, "connected", {}, now - 0.4, {"good": 1_204_441}, gaps=1
    )
    floor = SourceStatus(
        "floor", "mqtt", True, now - 80_000, "connected", {}, now - 4, {"good": 80_118}, gaps=0, room=45_000
    )
    if faulty:
        plc = replace(
            plc, failed={"nsu=urn:acme:line;s=L07.State": "BadNodeIdUnknown"}, samples={"good": 1_204_441, "bad": 12}
        )
        floor = replace(floor, connected=False, since=now - 900, detail="connection refused by broker.plant-a.local")
    return plc, floor


def _letters(now: float) -> tuple[DeadLetter, ...]:
    first, second = record_key("a", 1, 1.0), record_key("a", 2, 1.0)
    return (
        DeadLetter(
            first, "Factory A/Line 03", "start", now - 7000, "400: no such product: Film 35 µm blue",
            "start of run WO-1007", now - 7_200, 14, f"oden-gateway outbox retry {first}",
        ),
        DeadLetter(
            second, "Factory A/Line 01", "output", now - 3000, "502: not looked up: 400 for a search",
            "output of a run: good 12, scrap 3, Splice", now - 9_000, 0, f"oden-gateway outbox settle {second}",
            unsettled=True,
        ),
    )  # fmt: skip


async def _done(command: str, _: object) -> AsyncGenerator[dict[str, object], None]:
    answers: dict[str, dict[str, object]] = {
        "retry": {"retried": 1, "hopeless": 0, "outdated": 0},
        "drop": {"letters": 1, "dependents": 14, "held": 0},
        "settle": {"settled": "01"},
        "pause": {"paused": {"since": time.time(), "by": "the page", "reason": ""}},
        "resume": {"resumed": None},
    }
    yield answers.get(command, {})


NAMES = (
    '<b>Line</b> & "co"', "<script>alert(1)</script>", "</h3><img src=x onerror=alert(1)>", "&lt;Line&gt; &amp;amp;",
    "Line " * 40, "Stretch hood extrusion and winding " * 6,
    "خط الإنتاج ٣", "קו ייצור 7 (ישן)", "\u202eenil\u202c reversed",
    "🏭 Line 🧵", "ライン 三号機", "Presse Ä", "presse ä", "PRESSE Ä", "line 1", "Line 1", "LINE 1", "0", "-1", "1e5",
    "null", "__proto__", "constructor", "toString", "Line\u00a01", "e\u0301tage", "étage", "a/b/c", "%2F", "?x=1&k=2",
    "#top",
    "'; DROP TABLE", "{{n}}", "${n}", "Line\t9", "ﬁlm", "ſtretch", "İstanbul", "ß", "...",
)  # fmt: skip
"""Of forty lines, as somebody may have named them."""


def named_oddly(whole: Snapshot) -> Snapshot:
    """A plant of forty lines whose lines, runs and products have such names."""
    lines = (
        replace(
            line,
            key=f"Factory A/{name}",
            line=name,
            run=RunStatus(name, name, line.run.since) if line.run is not None else None,
            batch=IntervalStatus(name, whole.now - 1_900),
            intervals={"Operator": IntervalStatus(name, whole.now), name: IntervalStatus(None, whole.now)},
        )
        for line, name in zip(whole.lines, NAMES, strict=True)
    )
    return replace(whole, lines=tuple(lines))


def server(
    lines: int,
    *,
    faulty: bool,
    paused: bool = False,
    port: int = 0,
    away: int = 1,
    at: float | None = None,
    odd: bool = False,
) -> StatusServer:
    """The page of such a plant, of one process from now on, or as if it was `at` (epoch) now; `odd`: with lines that
    are named oddly. Its actions do nothing."""
    ahead = 0.0 if at is None else at - time.time()
    started_at = time.time() + ahead - 9 * 86_400

    def shown() -> Snapshot:
        whole = plant(lines, faulty=faulty, now=time.time() + ahead, paused=paused, away=away)
        return replace(named_oddly(whole) if odd else whole, started_at=started_at)

    return StatusServer(
        f"127.0.0.1:{port}",
        shown,
        lambda: None,
        history=history(lines, faulty=faulty, now=time.time() + ahead),
        trend=trend(time.time() + ahead, faulty=faulty),
        actions=Actions(TOKEN, _done),
    )


async def _serve(port: int, lines: int, *, faulty: bool) -> None:
    async with server(lines, faulty=faulty, port=port) as served:
        sys.stdout.write(f"{served.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), faulty=sys.argv[3] == "faulty"))
