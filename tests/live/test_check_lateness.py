"""`oden-gateway check` says of the gateway that runs how late messages came, and what a wait would have saved."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import TypeAdapter

from gateway.cli import check_lateness
from gateway.control import Control
from gateway.errors import GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.lateness import Lateness
from tests.live.site import Site
from tests.mapping.recording import plan
from tests.peers import free_port

CONFIG = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", allow_faster_for_tests: true}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
sources:
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-late}}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      order: {{source: floor, topic: L01/order, field: number, time: at}}
      scrap: {{source: floor, topic: L01/scrap, time: at}}
    run: {{key: order, product: Film}}
    scrap_yield: {{entries: [{{count: scrap.qty, raw_data: {{scrap: "{{n}}"}}}}]}}
"""


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.end()


Asked = AsyncGenerator[dict[str, object], None]


def told(**inputs: Lateness) -> Callable[[str, object], Asked]:
    """A gateway that says so of its line."""

    async def ask(command: str, question: object) -> Asked:
        figures = TypeAdapter(dict[str, Lateness]).dump_python(inputs, mode="json")
        assert command == "status"
        yield {"started_at": "2026-11-22T06:00:00.000Z", "lines": [{"key": "Factory A/Line 01", "lateness": figures}]}

    return ask


LATE = Lateness(200, 2.0, 40.0, 61.5, 7, 14, {10: 2, 30: 8, 60: 12})
PROMPT = Lateness(30, 0.1, 0.1, 0.4, 0, 0, {10: 0, 30: 0, 60: 0})


@pytest.mark.asyncio
async def test_p13_check_says_how_late_the_messages_of_the_running_gateway_came(site: Site) -> None:
    """By input: how many, half of them, 95 of 100 and the latest, and what a wait would have saved; of inputs that were
    not late how many. As sentences and as JSON."""
    site.configure(CONFIG.format(oden=free_port(), status=free_port(), mqtt="mqtt://127.0.0.1:1"))
    outbox = site.config.parent / "outbox"
    outbox.mkdir()
    async with Control(outbox, [outbox / "control.sock"], told(order=LATE, scrap=PROMPT)):
        checked = await site.run("check", "-c", "gateway.yaml")
        figures = json.loads((await site.run("check", "-c", "gateway.yaml", "--json")).output)["lines"][0]["lateness"]
    assert checked.code == 0, checked
    assert checked.output.splitlines()[-3:] == [
        "How late messages came by their own times, by the running gateway since 2026-11-22 06:00 UTC:",
        "  Factory A/Line 01 order: half of 200 messages came at most 2.0 s late, 95 of 100 at most 40.0 s, all at "
        "most 61.5 s; corrected 7 times, with 14 requests for output, of which a wait would have saved: 10 s 2, 30 s "
        "8, 60 s 12",
        "  1 other input: none of 30 messages was a second late",
    ]
    assert figures["since"] == "2026-11-22T06:00:00.000Z"
    assert (figures["inputs"]["order"]["p95"], figures["inputs"]["order"]["saved"]) == (
        40.0,
        {"10": 2, "30": 8, "60": 12},
    )


@pytest.mark.asyncio
async def test_p13_check_asks_the_gateway_that_runs_and_needs_none(site: Site) -> None:
    """Without a gateway nothing is said, with one that has just been started that none has come; after it was killed,
    its socket is left, and nothing is said again."""
    site.configure(CONFIG.format(oden=free_port(), status=free_port(), mqtt="mqtt://127.0.0.1:1"))
    alone = await site.run("check", "-c", "gateway.yaml")
    gateway = await site.gateway()
    beside = await site.run("check", "-c", "gateway.yaml")
    gateway.kill()
    await gateway.wait()
    after = await site.run("check", "-c", "gateway.yaml")
    assert [answer.code for answer in (alone, beside, after)] == [0, 0, 0]
    assert ["How late messages" in answer.output for answer in (alone, beside, after)] == [False, True, False]
    assert re.search(r"since [-\d]+ [:\d]+ UTC:\n  none has come\n", beside.output)


LINE: Sequence[LinePlan] = [plan()]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([{"lines": [{"key": "Factory A/Line 01", "lateness": {"order": {"messages": "many"}}}]}], "another version"),
        ([{}], "another version"),
        ([], "another version"),
        (GatewayError("the group may only look"), "the group may only look"),
    ],
)
@pytest.mark.asyncio
async def test_what_a_gateway_does_not_say_is_said_and_makes_no_configuration_wrong(
    answer: list[dict[str, object]] | GatewayError, why: str, tmp_path: Path
) -> None:
    """A gateway of another version, or one that refuses: one sentence, whatever it is."""

    async def ask(command: str, question: object) -> Asked:
        assert command == "status"
        if isinstance(answer, GatewayError):
            raise answer
        for item in answer:
            yield item

    async with Control(tmp_path, [tmp_path / "control.sock"], ask):
        known = await asyncio.to_thread(check_lateness.seen, tmp_path, LINE)
    assert known is not None
    (sentence,) = check_lateness.sentences(known, LINE)
    assert why in sentence
    assert known.as_json(LINE[0].key) == {"since": None, "inputs": {}}
