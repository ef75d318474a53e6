"""A picture of a gateway in mixed weather, and a server that shows it, for all tests here; they change what their claim
is about."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.health import FlowHealth, Problem
from gateway.mapping.lateness import Lateness
from gateway.model import KeptReject, Notice
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
from tests.status.served import Gateway, Served

NOW = 1_795_334_400.0  # 2026-11-22T08:00:00Z


def problem(text: str) -> Problem:
    """A problem that says `text`."""
    return Problem("source_away", text, NOW - 60, text, "")


def line(number: int) -> LineStatus:
    """One running line."""
    return LineStatus(
        key=f"Factory A/Line {number:02}",
        factory="Factory A",
        line=f"Line {number:02}",
        oden_id="5f1c",
        run=RunStatus("4711", "PVC pipe 20 mm", NOW - 7200),
        state=StateStatus("Unplanned Downtime", "Jam", NOW - 95.5),
        held=None,
        inputs={"good": InputStatus(65_530, NOW - 0.25, "good"), "state": InputStatus(None, None, "bad")},
        without_run={"scrap": 3},
        waiting=5,
        tone="stopped",
        unknown_since=NOW - 60,
        tones={"Unplanned Downtime": "stopped"},
        totals=(Total("RUN", "scrap", 5, {"Splice": 3, "": 2}),),
        batch=IntervalStatus("4711-2", NOW - 3600),
        intervals={"Operator": IntervalStatus("Anna", NOW - 7200)},
        lateness={"order": Lateness(200, 2.0, 40.0, 61.5, 7, 14, {10: 2, 30: 8, 60: 12})},
        corrections=7,
    )


@pytest.fixture(scope="session")  # it is frozen
def picture() -> Snapshot:
    return Snapshot(
        version="0.1.0",
        started_at=NOW - 86_400,
        now=NOW,
        ready=True,
        not_ready=None,
        taking_in=FlowHealth("yes"),
        delivering=FlowHealth("yes"),
        problems=(),
        hints=(),
        sources=(
            SourceStatus(
                "press_plc",
                "opcua",
                True,
                NOW - 3600,
                "connected",
                {},
                NOW - 1,
                {"good": 120, "bad": 3},
                gaps=2,
                newest_at=NOW - 3,
                newest_age=0.2,
                certificate_ends=NOW + 86_400,
            ),
            SourceStatus(
                "floor", "mqtt", False, None, "connection refused", {"a/b": "not authorised"}, None, {"good": 0}, gaps=0
            ),
        ),
        lines=(line(1), line(2)),
        outbox=OutboxStatus(
            {"waiting": 12, "sending": 1, "in_doubt": 2, "parked": 4, "dead": 3}, NOW - 61.5, 19.0, 4_096, 1_000_000
        ),
        oden=OdenStatus(
            url="https://api.oden.app/v2",
            held=None,
            retry_at=None,
            last_success_at=NOW - 2,
            last_error="500: try again",
            last_error_at=NOW - 30,
            requests={("interval", "set", "delivered"): 40, ("scrap_yield", "set", "in_doubt"): 2},
            seconds=Histogram((0.1, 0.5, 1.0), (5, 30, 6, 1), 17.25),
            used_share=0.7,
        ),
        records_total={"start": 20, "end": 19, "output": 55},
        merged_total=31,
        lost_total={"outbox_full": 0},
        rejects_total=7,
        rejected=RejectedStatus(
            2, 1_200, 1, 30, (KeptReject(17, NOW - 60, "floor", "l01/order", "order is missing", 600),)
        ),
        notices=(Notice("reject", NOW - 9, "floor", "a/b", "not JSON"), Notice("gap", NOW - 99, "floor", "", "away")),
        dead_letters=(DeadLetter("01J", "Factory A/Line 01", "output", NOW - 500, "400: unknown scrap_code"),),
    )


@pytest.fixture
async def served(picture: Snapshot) -> AsyncIterator[Served]:
    gateway = Gateway(picture)
    async with (
        StatusServer(
            "127.0.0.1:0", lambda: gateway.snapshot, lambda: gateway.stuck, hosts=["Gw.Plant.example"]
        ) as server,
        aiohttp.ClientSession() as client,
    ):
        yield Served(gateway, server.url, client)
