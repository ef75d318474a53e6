"""An outbox that was copied back where Oden cannot be asked yet, or where others write: each part is told once."""

import json
from functools import partial
from pathlib import Path

import pytest

from gateway import recollection
from gateway.mapping.credit import Entry, KnownOutput
from gateway.model import Output
from gateway.oden.endpoints import SCRAP_YIELD_SET
from gateway.oden.exchange import iso
from gateway.oden.http_answer import Keeps
from gateway.oden.requests import Wording
from gateway.outbox.store import Outbox
from gateway.told_elsewhere import _Search
from tests.delivery.harness import LINE, Fault, Oden
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import T0, order, scrap, tag, tick


async def test_p4_events_of_another_life_are_taken_off_once(gateway: Gateway, oden: Oden, tmp_path: Path) -> None:
    """Nothing of theirs waits in the copy; what comes later and waits when yet another life begins is told."""
    copy = gateway.copy()
    gateway.map(scrap(gateway.now + 1, 4, "Gel"))
    await gateway.lives(minutes=2)
    await gateway.put_back(copy, tmp_path)
    gateway.now += 1
    gateway.map(scrap(gateway.now, 3, "Gel"))
    (tmp_path / "other").mkdir()
    await gateway.put_back(gateway.copy(), tmp_path / "other")
    await gateway.lives(minutes=1)
    assert (await gateway.total(), oden.total("scrap")) == (gateway.made, 7)


async def test_p4_what_comes_while_oden_cannot_be_asked_is_within_no_other_lifes_entry(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries carry no keys. What a source says late, in the time of another life's entry, was made since that life and
    is told by itself, although what waits from before is within that entry."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    await gateway.total()
    now = gateway.now
    gateway.map(scrap(now + 5, 5, "Gel"), tick(now + 70))
    copy = gateway.copy()
    gateway.map(scrap(now + 200, 9, "Gel"), tick(now + 300))
    gateway.now = now + 300
    await gateway.lives(minutes=0)
    assert oden.total("scrap") == 14
    url, oden.url = oden.url, "http://127.0.0.1:1/v2"
    await gateway.put_back(copy, tmp_path, compared=False)
    gateway.map(scrap(now + 75, 3, "Gel"), tick(now + 140))
    assert Outbox(copy).counts().waiting == 2
    oden.url = url
    await gateway.compares_later()
    await gateway.lives(minutes=1)
    assert (oden.total("scrap"), await gateway.total()) == (17, gateway.made)


@pytest.mark.parametrize("waited", [0, 2])
@pytest.mark.parametrize(("reference", "restarts"), [("gateway_key", ""), (None, ""), (None, "away"), (None, "back")])
async def test_p4_what_is_made_while_oden_cannot_be_asked_is_no_other_lifes(
    gateway: Gateway,
    oden: Oden,
    reference: str | None,
    restarts: str,
    waited: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Events of this life wait in the window in which Oden is asked what another has told: that is taken off what
    waited when this life began, and off nothing that came since, however alike; also where the gateway is started
    again meanwhile, and Oden is still away then or is back."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    await gateway.total()
    if waited:
        gateway.map(scrap(gateway.now + 1, waited, "Gel"))
    copy = gateway.copy()
    gateway.map(scrap(gateway.now + 2, 7 - waited, "Gel"))
    await gateway.lives(minutes=1)
    assert oden.total("scrap") == 7
    url, oden.url = oden.url, "http://127.0.0.1:1/v2"
    await gateway.put_back(copy, tmp_path, compared=False)
    gateway.map(scrap(gateway.now + 2, 3, "Gel"))
    if restarts == "away":
        await gateway.compares(copy)
    oden.url = url
    if restarts == "back":
        await gateway.compares(copy)
    await gateway.compares_later()
    text = f"Oden shows {7 - waited} of scrap that came to another life: what of that comes here again is told again"
    assert [notice.text for notice in Outbox(copy).notices(50) if text in notice.text]
    await gateway.lives(minutes=1)
    assert (await gateway.total(), oden.total("scrap")) == (gateway.made, 10)


@pytest.mark.parametrize("reference", ["gateway_key", None])
@pytest.mark.parametrize("is_new_run", [False, True])
async def test_p4_what_two_lives_have_told_in_one_second_is_told_apart_or_listed(
    gateway: Gateway,
    oden: Oden,
    reference: str | None,
    is_new_run: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While Oden refuses to show what another life has told, this one tells something under the same second, of the run
    that both knew, or of one that each of them began. By our keys they are told apart; without, which is whose nobody
    can know, and each is listed with its amount."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    copy, now, good = gateway.copy(), gateway.now, gateway.good
    orders = [order(now + 1.5, "B")] if is_new_run else []
    gateway.map(*orders, tag(now + 30, "Good", (good + 40) % 65_536), tick(now + 60))
    async with gateway.rig.running():
        await gateway.rig.drained()
    gateway.now += 120
    oden.faults.append(Fault("/search", "before", 403))
    await gateway.put_back(copy, tmp_path, compared=False)
    ended = order(now + 130, "C", at=now + 60)
    gateway.map(*orders, scrap(now + 125, 2, "Gel", at=now + 40), ended, tick(now + 140))
    async with gateway.rig.running():
        await gateway.rig.drained()
    run = oden.runs()[is_new_run]
    assert [entry.timestamp for entry in oden.model.output(run)][-2:] == [int(T0 + now) + 59] * 2
    await gateway.compares_later()
    texts = [notice.text.partition(": ")[2] for notice in Outbox(copy).notices(50)]
    listed = sorted(text.split()[2:4] for text in texts if "may be told again" in text)
    taken_off = [text.split()[2] for text in texts if "that this memory does not know" in text]
    assert taken_off == (["140"] if reference else ["100"] * is_new_run)
    assert listed == ([] if reference else [["scrap", "2"], ["yield", "40" if is_new_run else "140"]])


@pytest.mark.parametrize(("reference", "minutes"), [("gateway_key", 2), ("gateway_key", -30), (None, -30)])
async def test_p4_what_somebody_has_written_into_a_run_by_hand_is_listed_once_and_taken_off_nothing(
    gateway: Gateway, oden: Oden, reference: str | None, minutes: int, tmp_path: Path
) -> None:
    """After each reboot Oden is asked what another life may have told: an entry without our key is none of a life's,
    nor is one from long before what was told last of the run that is on."""
    gateway.rig.wording = Wording(reference=reference)
    await gateway.lives(minutes=40)
    line = {"name": "Line 01", "factory": {"name": "Factory A"}}
    interval = {"id": oden.runs()[0].id, "type": {"name": "RUN"}, "line": line}
    at = iso(int(T0 + gateway.now) + 60 * minutes + 7)
    body = {"data": {"raw_data": {"yield": 50}, "timestamp": at}, "interval": interval}
    async with gateway.asking() as (_, client):
        answer = await client.post(SCRAP_YIELD_SET, json.dumps(body))
        assert answer.status == 200
    gateway.now += 200
    for box in ("a", "b"):
        (tmp_path / box).mkdir()
        await gateway.put_back(gateway.copy(), tmp_path / box)
    texts = [notice.text for notice in Outbox(gateway.rig.rows).notices(50)]
    assert texts == [f"line {LINE}: Oden shows yield 50 that may be told again, if another life told it"]
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made + 50


@pytest.mark.parametrize("reference", ["gateway_key", None])
async def test_p4_what_is_told_from_here_while_oden_is_asked_is_no_other_lifes(
    gateway: Gateway, oden: Oden, reference: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway works while the comparison that was put off is made: its own entries come in between."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    await gateway.lives(minutes=2)
    oden.faults.append(Fault("/search", "before", 403))
    await gateway.put_back(gateway.copy(), tmp_path, compared=False)
    ask, told = _Search._entries, list[str]()

    async def asked(search: _Search, oden_id: str, known: KnownOutput, keeps: Keeps) -> list[Entry]:
        if not told:
            gateway.now += 70
            at = gateway.now
            await search._outbox(partial(Gateway.map_into, gateway), scrap(at, 9, "Gel"), tick(at + 70))
            (record,) = [one.record for one in await search._waiting(known.interval)]
            assert isinstance(record, Output)
            raw = dict(record.raw_data) | ({reference: record.key} if reference is not None else {})
            data = {"raw_data": raw, "timestamp": iso(record.timestamp)}
            line = {"name": "Line 01", "factory": {"name": "Factory A"}}
            interval = {"id": oden_id, "type": {"name": "RUN"}, "line": line}
            answer = await search._client.post(SCRAP_YIELD_SET, json.dumps({"data": data, "interval": interval}))
            told.append(str(answer.status))
        return await ask(search, oden_id, known, keeps)

    monkeypatch.setattr(_Search, "_entries", asked)
    await gateway.compares_later()
    assert told == ["200"]
    assert oden.total("scrap") == 9
    texts = [notice.text for notice in Outbox(gateway.rig.rows).notices(50)]
    assert not [text for text in texts if "another life" in text or "memory does not know" in text]
