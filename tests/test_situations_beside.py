"""What each place tells where something beside the gateway is taken from it while it runs: the token, its turn at Oden,
a table, its outbox by a second gateway, what its line says."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import PATIENCE, wait_until
from tests.situations_rig import Rig, Told, priorities, says_the_same, situation

WELL = Told("yes", "yes", None, "All is well")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with situation(tmp_path) as rig:
        yield rig


def configured(rig: Rig, word: str, other: str) -> Path:
    """Its configuration, with another word in the place of one; the folder that it is in."""
    config = rig.log.parent / "gateway.yaml"
    config.write_text(config.read_text().replace(word, other))
    return config.parent


@pytest.mark.parametrize(("kept", "why"), [(None, "is not there"), ("", "is empty")])
async def test_p9_the_token_is_taken_away_from_a_gateway_that_runs(rig: Rig, kept: str | None, why: str) -> None:
    """P9: by somebody who tidies up, or who empties the file before he writes it anew. Nothing is sent, with the place
    where a token belongs; once there is one, all goes on by itself."""
    folder = configured(rig, "token: t0k3n", 'token: "${secret:oden_token}"')
    (folder / "secrets").mkdir(mode=0o700)
    token = folder / "secrets" / "oden_token"
    token.write_text("t0k3n")
    token.chmod(0o600)
    rig.start()
    await wait_until(rig.is_connected)
    says_the_same(rig, WELL)
    token.unlink() if kept is None else token.write_text(kept)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    told = Told("yes", "waiting", "oden_held", why, "request_failed")
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    assert str(token) in rig.status()["headline"]
    assert await priorities(rig, '"request_failed"') == {told.priority}
    assert rig.oden.requests == 0
    token.write_text("t0k3n")
    token.chmod(0o600)
    await wait_until(lambda: rig.oden.requests)


async def test_p9_oden_wants_to_be_left_alone_for_an_hour(rig: Rig) -> None:
    """P9: it is, for as long as it says, which stands in each place; data are taken in meanwhile."""
    rig.oden.headers = {"Retry-After": "3600"}
    rig.oden.answers(429, '{"error": "too many requests", "retryable": true}')
    rig.start()
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    told = Told("yes", "waiting", "oden_held", "429: too many requests", "request_failed")
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    said = re.search(r"tried again in (\d+) s", rig.status()["headline"])
    assert said is not None
    assert 3600 - PATIENCE < int(said[1]) <= 3600
    assert await priorities(rig, '"pace_slowed"') == {"<4>"}
    await rig.broker.publish("plant/order", json.dumps({"number": "4712"}))
    await wait_until(lambda: rig.status()["outbox"]["records"]["waiting"] > 1)
    assert rig.oden.requests == 1


async def test_p9_a_table_is_gone(rig: Rig) -> None:
    """P9: as with a share that is away. What was read of it counts on, which is said; all is well once it is back."""
    folder = configured(rig, "lines:", "tables: {orders: {file: orders.csv, key: number}}\nlines:")
    configured(rig, "product: Film", 'product: "{orders[order].product}"')
    table = folder / "orders.csv"
    table.write_text("number,product\n4711,Film\n")
    rig.start()
    await wait_until(rig.is_connected)
    table.unlink()
    told = Told("yes", "yes", "table_wrong", "orders.csv: there is no such file", "tables_refused", "<3>")
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    assert await priorities(rig, '"tables_refused"') == {told.priority}
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    await wait_until(lambda: rig.oden.requests)
    table.write_text("number,product\n4711,Film\n")
    await wait_until(lambda: told.kind not in rig.kinds())


async def test_p7_p9_a_second_gateway_is_started_by_the_same_configuration(rig: Rig) -> None:
    """P7, P9: it ends with a sentence that names the first, which notices nothing of it."""
    rig.start()
    await wait_until(rig.is_connected)
    assert rig.process is not None
    config = str(rig.log.parent / "gateway.yaml")
    command = [sys.executable, "-m", "gateway", "run", "-c", config]
    second = await asyncio.to_thread(
        subprocess.run, command, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert second.returncode == 1
    assert f"is in use by another oden-gateway (process {rig.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    says_the_same(rig, WELL)
    assert [line for line in rig.logged("") if not line.startswith("<6>")] == []


async def test_p9_what_a_line_does_is_not_known_although_its_broker_is_there(rig: Rig) -> None:
    """P9: that lasts as long as nothing comes, and is no gap of an hour alone; all else goes on."""
    configured(rig, "field: number}}", "field: number, fresh: 2s}}")
    rig.start()
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    told = Told("yes", "yes", "line_unknown", "order says nothing", "data_gap")
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    assert await priorities(rig, f'"{told.event}"') == {told.priority}
    assert rig.status()["lines"][0]["unknown_since"] is not None
