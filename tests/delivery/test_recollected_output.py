"""An outbox that was copied back, whose output waited or was added to by a later life: each part is at Oden once."""

import json
from pathlib import Path

import pytest

from gateway import recollection, told_elsewhere
from gateway.frozen import replace
from gateway.mapping.line import Tick
from gateway.mapping.state_rows import StateRows
from gateway.model import Output, Sample
from gateway.oden.requests import Wording
from gateway.outbox.entries import Attempt, Commit
from gateway.outbox.life import is_compared, keep_uncompared
from gateway.outbox.store import Outbox
from tests.delivery.harness import LINE, Fault, Oden, Rig
from tests.delivery.recollection_rig import PLAN, Gateway, Recorded
from tests.mapping.recording import order, play, scrap, tag, tick


@pytest.mark.parametrize("reference", ["gateway_key", None])
@pytest.mark.parametrize("minutes", [1, 3])
async def test_p4_an_entry_that_grew_after_the_copy_is_told_once(
    gateway: Gateway, oden: Oden, minutes: int, reference: str | None, tmp_path: Path
) -> None:
    """An entry waits in the copy, and a later life has added to it before it was sent: by our reference that is known,
    or by its time, so that what waits is not told again, and of the counter only what was added is taken off."""
    gateway.rig.wording = Wording(reference=reference)
    gateway.makes(1)
    copy = gateway.copy()
    assert Outbox(copy).counts().waiting == 1
    gateway.makes(minutes)
    assert Outbox(gateway.rig.rows).counts().waiting == 1
    await gateway.lives(minutes=0)
    assert oden.total("yield") == gateway.made
    await gateway.put_back(copy, tmp_path)
    await gateway.lives(minutes=3)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 1)


async def test_p4_what_an_attempt_carries_is_sent_and_the_whole_of_a_later_entry_is_taken_off(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """The copy was taken while an entry was in doubt, and entries carry no keys: it is looked up and not found."""
    gateway.makes(1)
    copy = gateway.copy()
    outbox = Outbox(copy)
    (work,) = outbox.work()
    assert outbox.begin(work, Attempt(work.lane, work.positions, "", "", 0.0, phase="in_doubt"))
    gateway.makes(3)
    await gateway.lives(minutes=0)
    await gateway.put_back(copy, tmp_path)
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("is_refused", [False, True])
async def test_p4_where_oden_is_asked_later_what_waits_is_not_sent_before(
    gateway: Gateway, oden: Oden, is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries carry no keys, and Oden could not be asked when the life began: what waits is at Oden within a later
    entry. Where Oden has refused to show that, what waits is sent, and the whole of the later entry is taken off. A
    kill after the comparison, before it is noted, takes nothing off once more."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.makes(1)
    copy = gateway.copy()
    gateway.makes(3)
    await gateway.lives(minutes=0)
    url, oden.url = oden.url, oden.url if is_refused else "http://127.0.0.1:1/v2"
    if is_refused:
        oden.faults.append(Fault("/search", "before", 403, times=2))
    assert await gateway.put_back(copy, tmp_path, compared=False) == is_refused
    oden.url = url
    assert not [work for work in Outbox(copy).work() if isinstance(work.records[0], Output)]
    noted = Outbox(copy).row("uncompared")
    for _ in range(2):
        gateway.map(tag(gateway.now + 1.0, "Good", gateway.good % 65_536))
        await gateway.compares_later()
        keep_uncompared(Outbox(copy), noted)
    texts = [notice.text for notice in Outbox(copy).notices(50)]
    assert sum("output that waited is sent, and is told twice where" in text for text in texts) == is_refused
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("status", [401, 403])
async def test_p4_events_that_wait_where_oden_refuses_to_show_them_are_told_once_or_listed(
    gateway: Gateway, oden: Oden, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait with the start of their run, and are at Oden within a later entry; entries carry no keys. Oden does not
    take the token for a while, in which nothing else can be sent either: then they wait. Where it shows this line to
    nobody, they are sent, which is listed."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    await gateway.total()
    now = gateway.now
    gateway.map(order(now + 2, "B"), scrap(now + 5, 5, "Gel"), tick(now + 70))
    copy = gateway.copy()
    gateway.map(scrap(now + 75, 7, "Gel"), tick(now + 140))
    gateway.now = now + 140
    await gateway.lives(minutes=0)
    oden.faults.append(Fault("/search", "before", status, times=2))
    await gateway.put_back(copy, tmp_path, compared=False)
    await gateway.compares_later()
    await gateway.lives(minutes=1)
    is_listed = any("output that waited is sent" in notice.text for notice in Outbox(copy).notices(50))
    assert (oden.total("scrap"), is_listed) == ((12, False) if status == 401 else (17, True))


@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_p4_a_kill_within_the_comparison_changes_nothing_in_the_end(
    gateway: Gateway, oden: Oden, step: int, *, rebooted: bool, tmp_path: Path
) -> None:
    """After whichever of its last transactions it comes: the next life compares again. What waits is taken to be within
    an entry that grew since, because entries carry no keys."""
    gateway.makes(1)
    copy = Recorded(gateway.copy())
    gateway.makes(3)
    await gateway.lives(minutes=0)
    await gateway.put_back(copy, tmp_path)
    killed = copy.steps[-step]
    (tmp_path / "other").mkdir()
    await (gateway.put_back(killed, tmp_path / "other") if rebooted else gateway.compares(killed))
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("is_later", [False, True])
@pytest.mark.parametrize("reference", ["gateway_key", None])
async def test_p4_what_waits_of_events_and_grew_after_the_copy_is_told_once(
    gateway: Gateway,
    oden: Oden,
    reference: str | None,
    is_later: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where entries do not carry our keys, what waits is taken to be within the later entry, which is listed with its
    amount; what cannot be within it is sent. `is_later`: Oden could not be asked when the life began."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    await gateway.total()
    now = gateway.now
    gateway.map(scrap(now + 5, 5, "Gel"), scrap(now + 6, 2, "Edge"), tick(now + 70))
    copy = gateway.copy()
    assert Outbox(copy).counts().waiting == 2
    gateway.map(scrap(now + 75, 7, "Gel"), tick(now + 140))
    gateway.now = now + 140
    await gateway.lives(minutes=0)
    assert oden.total("scrap") == 14
    url, oden.url = oden.url, "http://127.0.0.1:1/v2" if is_later else oden.url
    await gateway.put_back(copy, tmp_path, compared=not is_later)
    oden.url = url
    await gateway.compares_later()
    texts = [notice.text for notice in Outbox(gateway.rig.rows).notices(50)]
    assert [text.partition(": ")[2] for text in texts if "waited" in text] == (
        [] if reference else ["scrap 5 and scrap_code Gel waited, and is taken to be within what Oden shows"]
    )
    await gateway.lives(minutes=1)
    assert (oden.total("scrap"), await gateway.total()) == (14, gateway.made)


async def test_p4_a_line_without_counters_tells_nothing_twice(rig: Rig, oden: Oden, tmp_path: Path) -> None:
    """Entries carry no keys, and one that waits in the copy is at Oden within a later one."""
    gateway = Gateway(rig)
    gateway.map(order(1, "A"), tick(2))
    async with rig.running():
        await rig.drained()
    gateway.map(scrap(5, 5, "Gel"), tick(70))
    copy = gateway.copy()
    assert Outbox(copy).counts().waiting == 1
    gateway.map(scrap(75, 7, "Gel"), tick(140))
    async with rig.running():
        await rig.drained()
    gateway.now = 140
    assert await gateway.put_back(copy, tmp_path) == 2
    async with rig.running():
        await rig.drained()
    assert oden.total("scrap") == 12


@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("reference", ["gateway_key", None])
async def test_p4_a_copy_of_a_life_that_could_not_ask_yet_tells_nothing_twice(
    gateway: Gateway,
    oden: Oden,
    reference: str | None,
    is_away: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it held is told by that life once Oden is back, of runs that have ended: within an entry that waits in the
    copy under the same time stamp, or by itself under one from before; and runs that began meanwhile are those whose
    starts wait in the copy. `is_away`: when that is put back Oden cannot be asked either."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    monkeypatch.setattr(told_elsewhere, "BETWEEN", 0.0)
    gateway.rig.wording = Wording(reference=reference)
    copy, url = gateway.copy(), oden.url
    await gateway.lives(minutes=2)
    oden.url = "http://127.0.0.1:1/v2"
    await gateway.put_back(copy, tmp_path, compared=False)
    gateway.makes(2)
    for name in "BC":
        gateway.now += 1.0
        gateway.map(order(gateway.now, name))
        gateway.makes(1)
    again = gateway.copy()
    oden.url = url
    await gateway.compares_later()
    await gateway.lives(minutes=1)
    (tmp_path / "other").mkdir()
    oden.url = "http://127.0.0.1:1/v2" if is_away else url
    await gateway.put_back(again, tmp_path / "other", compared=not is_away)
    gateway.makes(1)
    oden.url = url
    await gateway.compares_later()
    await gateway.lives("D", minutes=2)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 4)


async def test_p4_what_waits_is_within_the_entry_of_one_life_alone(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are put back one after the other before Oden can be asked, and entries carry no keys: what waits in them
    can be within what each of the lives in between has told, and is taken off once."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway.rig.wording = Wording(reference=None)
    gateway.makes(1)
    copy, url = gateway.copy(), oden.url
    for life in ("first", "second"):
        gateway.makes(2)
        await gateway.compares_later()
        await gateway.lives(minutes=0)
        (tmp_path / life).mkdir()
        oden.url = "http://127.0.0.1:1/v2"
        await gateway.put_back(copy, tmp_path / life, compared=False)
        gateway.makes(1)
        copy, oden.url = gateway.copy(), url
    await gateway.compares_later()
    texts = [notice.text for notice in Outbox(gateway.rig.rows).notices(50)]
    assert [text.partition(": ")[2] for text in texts if "waited" in text] == [
        "yield 200 waited, and is taken to be within what Oden shows"
    ]
    await gateway.lives(minutes=3)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 1)


@pytest.mark.parametrize("is_later", [False, True])
async def test_p4_what_waits_of_a_line_that_is_configured_no_more_is_told_once(
    rig: Rig, oden: Oden, is_later: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries carry no keys, and one that waits in the copy is at Oden within a later one: it is not sent, which is
    listed. `is_later`: Oden could not be asked when the life began."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    gateway = Gateway(rig)
    gateway.map(order(1, "A"), tick(2))
    async with rig.running():
        await rig.drained()
    gateway.map(scrap(5, 5, "Gel"), scrap(6, 2, "Edge"), tick(70))
    copy = gateway.copy()
    assert Outbox(copy).counts().waiting == 2
    gateway.map(scrap(75, 7, "Gel"), tick(140))
    async with rig.running():
        await rig.drained()
    assert oden.total("scrap") == 14
    gateway.now, gateway.plans = 140, ()
    url, oden.url = oden.url, "http://127.0.0.1:1/v2" if is_later else oden.url
    await gateway.put_back(copy, tmp_path, compared=not is_later)
    oden.url = url
    await gateway.compares_later()
    assert is_compared(Outbox(copy))
    async with rig.running():
        await rig.drained()
    texts = [notice.text.partition(": ")[2] for notice in Outbox(copy).notices(50)]
    assert (oden.total("scrap"), texts) == (
        14,
        ["scrap 5 and scrap_code Gel waited, and is taken to be within what Oden shows"],
    )


@pytest.mark.parametrize("has_grown", [False, True])
async def test_p4_what_another_life_has_told_under_a_time_of_what_waits_is_no_less_known(
    gateway: Gateway, oden: Oden, has_grown: bool, tmp_path: Path
) -> None:
    """By our reference: two lives have told something else of the same second, beyond which what waits here can have
    grown since."""
    gateway.rig.wording = Wording(reference="gateway_key")
    older, now, good, later = gateway.copy(), gateway.now, gateway.good, gateway.now + 60.0
    if has_grown:
        gateway.makes(1)
    else:
        gateway.map(tick(later))
    newer = gateway.copy()
    assert Outbox(newer).counts().waiting == 1
    await gateway.put_back(older, tmp_path)
    gateway.map(tag(now + 10, "State", 2), tag(now + 30, "Good", (good + 40) % 65_536), tick(later))
    async with gateway.rig.running():
        await gateway.rig.drained()
    (tmp_path / "other").mkdir()
    await gateway.put_back(newer, tmp_path / "other")
    assert not any("may be told again" in notice.text for notice in Outbox(gateway.rig.rows).notices(50))
    gateway.now = max(gateway.now, later)
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("is_remembered", [False, True])
async def test_p4_what_was_sent_from_here_beside_what_waits_is_not_another_lifes(
    gateway: Gateway, oden: Oden, is_remembered: bool, tmp_path: Path
) -> None:
    """An entry of the same kind, as one that corrects, is sent from the time in which one that waits has grown: nothing
    is taken off for it. Where the outbox does not remember, as one of an earlier version, that is listed with its
    amount: it could be another life's."""
    gateway.rig.wording = Wording(reference="gateway_key")
    outbox, samples = Outbox(gateway.rig.rows), list[Sample | Tick]()
    rows = StateRows(outbox.line_state(LINE))
    for _ in range(3):
        gateway.now += 60.0
        gateway.good, gateway.made = gateway.good + 100, gateway.made + 100
        samples += [tag(gateway.now, "Good", gateway.good % 65_536), tick(gateway.now + 1.0)]
    played = play(PLAN, *samples, state=rows.state(PLAN))
    first, between, last = (record for record in played.records if isinstance(record, Output))
    number = outbox.last_commit() + 1
    sent = replace(between, corrects=True)
    outbox.commit(Commit(number=number, states={LINE: rows.changes(played.state)}, records=(sent,)))
    async with gateway.rig.running():
        await gateway.rig.drained()
    waits = Commit(number=number + 1, states={}, records=(first, last))
    Outbox(gateway.rig.rows).commit(waits)
    copy = gateway.copy()
    assert Outbox(copy).counts().waiting == 1
    if not is_remembered:
        name = f"interval/{first.interval}"
        row = json.loads(copy.get(name) or "")
        del row["sent"]
        copy.apply({name: json.dumps(row)})
    await gateway.put_back(copy, tmp_path)
    texts = [notice.text for notice in Outbox(gateway.rig.rows).notices(50)]
    assert is_remembered != any("Oden shows yield 100 that may be told again" in text for text in texts)
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made
