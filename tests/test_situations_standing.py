"""What each place tells where Oden takes nothing, in ways that come and go or of which a part is in order: it is judged
by what leaves the outbox. A minute of patience is a second here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import wait_until
from tests.situations_rig import Rig, Told, says_the_same, situation

WELL = Told("yes", "yes", None, "All is well")
BUSY = '{"error": "busy", "retryable": true}'


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with situation(tmp_path) as rig:
        yield rig


async def stands(rig: Rig, word: str) -> None:
    """Every place says that nothing is delivered, and why; and after five such minutes a person is called."""
    await wait_until(lambda: word in rig.status().get("delivering", {}).get("because", ""))
    assert (rig.status()["delivering"]["state"], rig.kinds()) == ("waiting", ["oden_held"])
    await wait_until(lambda: rig.get("/readyz")[0] == 503 and word in rig.get("/readyz")[1])
    assert (rig.get("/healthz")[0], rig.metric("oden_gateway_delivering")) == (200, 0)
    assert rig.status()["outbox"]["drain_seconds"] is None


async def test_p9_oden_answers_searches_and_takes_nothing(rig: Rig) -> None:
    """P9: that it can be asked is no delivery, and no success; once it takes something again all is well."""
    rig.oden.searches = "[]"
    rig.oden.answers(503, BUSY)
    rig.start("tests.quick_patience")
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    await stands(rig, "503: busy")
    assert rig.status()["oden"]["last_success_at"] is None
    rig.oden.answers(200, '[{"id": "an-id"}]')
    await wait_until(lambda: rig.status()["healthy"])
    says_the_same(rig, WELL)
    assert rig.status()["oden"]["last_success_at"] is not None


async def test_p9_oden_fails_now_in_one_way_and_now_in_another(rig: Rig) -> None:
    """P9: each reason is over before it counts for five minutes, and nothing was delivered all the while."""
    rig.oden.answers(401, '{"error": "bad token", "retryable": false}')
    rig.start("tests.quick_patience")
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    await wait_until(lambda: "401" in rig.status()["headline"])
    since = rig.status()["delivering"]["since"]
    rig.oden.answers(503, BUSY)
    await stands(rig, "503: busy")
    assert rig.status()["delivering"]["since"] <= since
