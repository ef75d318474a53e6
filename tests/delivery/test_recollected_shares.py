"""What Oden shows since a copy was taken, and what waits in it: each part is taken off once, and of the right one."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import recollection
from gateway.oden.endpoints import SCRAP_YIELD_SET
from gateway.oden.exchange import iso
from gateway.oden.requests import Wording
from gateway.outbox.life import keep_uncompared
from gateway.outbox.store import Outbox
from tests.delivery.harness import Oden
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import T0, scrap, tag, tick

LINE_AT_ODEN = {"name": "Line 01", "factory": {"name": "Factory A"}}
AWAY = "http://127.0.0.1:1/v2"


async def test_p4_what_is_made_since_is_within_no_grown_entry(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our keys: another life's entry has grown beyond what waits in the copy, and what a source says late, in the
    time of that, is of this life, however alike it is. What of the other's never came here is listed."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference="gateway_key")
    await gateway.total()
    now = gateway.now
    gateway.map(scrap(now + 5, 5, "Gel"), tick(now + 70))
    copy = gateway.copy()
    gateway.map(scrap(now + 75, 9, "Gel"), tick(now + 140))
    gateway.now = now + 140
    await gateway.lives(minutes=0)
    assert oden.total("scrap") == 14
    url, oden.url = oden.url, AWAY
    await gateway.put_back(copy, tmp_path, compared=False)
    gateway.map(scrap(now + 75, 9, "Gel", at=now + 62), tick(now + 130))
    assert Outbox(copy).counts().waiting == 2
    oden.url = url
    await gateway.compares_later()
    texts = [notice.text for notice in Outbox(copy).notices(50)]
    assert any("Oden shows 9 of scrap that came to another life" in text for text in texts), texts
    await gateway.lives(minutes=1)
    assert (oden.total("scrap"), await gateway.total()) == (23, gateway.made)


async def test_p4_of_two_entries_of_one_second_what_waits_is_within_one(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """Entries carry no keys, and two lives have told something under one time stamp, later than what waits in the copy,
    which can be within either: the other is taken off whole."""
    gateway.rig.wording = Wording(reference=None)
    gateway.makes(1)
    copy = gateway.copy()
    gateway.makes(2)
    await gateway.lives(minutes=0)
    interval = {"id": oden.runs()[0].id, "type": {"name": "RUN"}, "line": LINE_AT_ODEN}
    last = oden.model.output(oden.runs()[0])[-1].timestamp or 0
    body = {"data": {"raw_data": {"yield": 300}, "timestamp": iso(last)}, "interval": interval}
    async with gateway.asking() as (_, client):
        assert (await client.post(SCRAP_YIELD_SET, json.dumps(body))).status == 200
    gateway.good, gateway.made = gateway.good + 300, gateway.made + 300
    await gateway.put_back(copy, tmp_path)
    await gateway.lives(minutes=6)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("reference", ["gateway_key", None])
async def test_p4_what_was_found_before_the_comparison_is_not_taken_off(
    gateway: Gateway, oden: Oden, reference: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry of the copy has grown at Oden. Oden has refused to show that, so that it is looked up before it is
    compared: only what another life has added is taken off."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    gateway.makes(1)
    copy = gateway.copy()
    gateway.makes(3)
    await gateway.lives(minutes=0)
    url, oden.url = oden.url, AWAY
    await gateway.put_back(copy, tmp_path, compared=False)
    oden.url = url
    keep_uncompared(Outbox(copy), Outbox(copy).row("uncompared"))  # as where it does not rest any more
    gateway.map(tag(gateway.now + 1.0, "Good", gateway.good % 65_536))
    async with gateway.rig.running():
        await asyncio.sleep(3.0)
    await gateway.compares_later()
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


async def test_p4_what_a_person_has_written_lately_is_listed_where_it_is_taken_for_another_lifes(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """Entries carry no keys: one from after the copy can be another life's. It is not told again, which the page says
    with its amount, and whose it may be."""
    gateway.rig.wording = Wording(reference=None)
    copy = gateway.copy()
    interval = {"id": oden.runs()[0].id, "type": {"name": "RUN"}, "line": LINE_AT_ODEN}
    body = {"data": {"raw_data": {"yield": 50}, "timestamp": iso(int(T0 + gateway.now) + 120)}, "interval": interval}
    async with gateway.asking() as (_, client):
        assert (await client.post(SCRAP_YIELD_SET, json.dumps(body))).status == 200
    gateway.now += 200
    await gateway.put_back(copy, tmp_path)
    (text,) = [notice.text for notice in Outbox(copy).notices(50)]
    assert "Oden shows 50 of good that this memory does not know" in text
    assert "another life's or a person's" in text
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made
