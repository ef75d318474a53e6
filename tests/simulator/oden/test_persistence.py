"""The state file: by itself, with a ledger, and where it cannot be used."""

import json
import signal
import subprocess
from itertools import product
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import Ledger, LedgerEntry, resume, save
from gateway.simulator.oden.store import Organization

from .accepted import ACCEPTED, beginning
from .bodies import PLANT
from .test_simulate_oden import COMMAND, RUN, Start, post, start

__all__ = ["start"]

ALL = {"type": {"name": "RUN"}, "line": RUN["line"], "match": "all"}
LATER = {**RUN, "start_time": "2021-04-04T09:00:00Z"}


def made() -> OdenModel:
    """A model with something of every kind."""
    model = OdenModel(PLANT)
    for request in beginning():
        assert model.answer(*request).status == 200
    return model


def test_stopped_and_started_again_it_has_what_it_had(start: Start, tmp_path: Path) -> None:
    """The answers are the same, and what is made from then on gets an id of its own."""
    state = str(tmp_path / "oden.json")
    process, address = start("--port", "0", "--state", state)
    assert post(address, "interval/set", RUN)[0] == 200
    assert post(address, "product/set", {"name": "Film"})[0] == 200
    before = post(address, "interval/search", ALL), post(address, "product/search", {"match": "all"})
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0
    _, address = start("--port", "0", "--state", state)
    assert (post(address, "interval/search", ALL), post(address, "product/search", {"match": "all"})) == before
    _, made = post(address, "product/set", {"name": "Foil"})
    assert made["id"] not in {known["id"] for known in before[1][1]}
    assert [path.name for path in tmp_path.iterdir()] == ["oden.json"]


def test_what_a_kill_left_out_of_the_state_is_taken_from_the_ledger(start: Start, tmp_path: Path) -> None:
    """Once: what the state already holds is not done again."""
    files = ("--state", str(tmp_path / "oden.json"), "--ledger", str(tmp_path / "oden.jsonl"))
    process, address = start("--port", "0", *files)
    of = {"interval": {**ALL, "match": "last"}, "data": {"raw_data": {"yield": 1}}}
    assert [post(address, path, body)[0] for path, body in (("interval/set", RUN), ("scrap_yield/set", of))] == [
        200,
        200,
    ]
    process.terminate()
    process.wait()
    process, address = start("--port", "0", *files)
    assert [post(address, path, body)[0] for path, body in (("interval/set", LATER), ("scrap_yield/set", of))] == [
        200,
        200,
    ]
    before = post(address, "interval/search", ALL)
    process.kill()
    process.wait()
    _, address = start("--port", "0", *files)
    assert post(address, "interval/search", ALL) == before
    for run in before[1]:
        about = {**ALL, "id": run["id"]}
        assert len(post(address, "scrap_yield/search", {"interval": about, "data": {"match": "all"}})[1]) == 1


def test_a_state_without_its_ledger_begins_a_new_one(tmp_path: Path) -> None:
    """It holds what it held; a run without ledger in between changes nothing in what of it is known."""
    state, ledger = tmp_path / "oden.json", tmp_path / "oden.jsonl"
    model = made()
    save(state, model, 7)
    assert resume(PLANT, state, ledger) == (model, 0)
    assert resume(PLANT, state, None) == (model, 7)


def test_a_ledger_goes_on_after_the_lines_that_the_state_contains(tmp_path: Path) -> None:
    """The first lines are not read again, also where they were of nothing that this plant has."""
    state, ledger = tmp_path / "oden.json", tmp_path / "oden.jsonl"
    model, book = made(), Ledger(ledger)
    save(state, model, 2)
    for line in ("nowhere", "nowhere", "Line 01"):
        named = {"name": line, "factory": {"name": "Factory A"}}
        book.append(LedgerEntry(0, "/v2/product_mapping/set", {"line": named, "product": {"name": "b"}}, 200))
    book.close()
    resumed, lines = resume(PLANT, state, ledger)
    model.answer("/v2/product_mapping/set", json.dumps(ACCEPTED["product_mapping/set"]).encode())
    assert (resumed, lines) == (model, 3)


def wrong(path: Path, **changes: object) -> None:
    """A state that is right but for what is given, in what it holds."""
    held = made().snapshot()
    path.write_text(json.dumps({"version": 1, "ledger": 0, "holds": {**held, **changes}}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"types": "shift"}, "types: must be a list of strings"),
        ({"types": []}, "intervals.12.type: there is no 'shift'"),
        ({"products": [{"id": "x"}]}, "products.0.name: is required"),
        (
            {"mappings": [{"product": "x", "factory": "Factory A", "line": "Line 01"}]},
            "mappings.0.product: there is no 'x'",
        ),
        ({"intervals": [3]}, "intervals.0: must be an object"),
        ({"intervals": None}, "intervals: must be a list"),
        ({"intervals": []}, "output.0.interval: there is no "),
        ({"made": {"entries": "4"}}, "made.entries: must be an integer"),
        ({"orders": [{"id": "x", "name": "x", "external_id": "x", "factory": "C", "line": "x"}]}, "no 'x' in 'C'"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_its_place(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    """The file, the place in it, and what is wrong."""
    state = tmp_path / "oden.json"
    wrong(state, **changes)
    with pytest.raises(GatewayError) as caught:
        resume(PLANT, state, None)
    assert str(state) in str(caught.value)
    assert why in str(caught.value)


ODD: tuple[object, ...] = (None, "x", 3, [], {}, [{}], True, -1)


def test_a_state_that_is_damaged_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    """Whatever stands in the place of each value: that error and no other, or a model that can be asked everything."""
    held = made().snapshot()
    places = [
        (name, key)
        for name, entries in held.items()
        for key in (
            None,
            *(entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else ()),
        )
    ]
    state = tmp_path / "oden.json"
    refused = taken = 0
    for (name, key), odd in product(places, ODD):
        damaged = json.loads(json.dumps(held))
        if key is None:
            damaged[name] = odd
        else:
            damaged[name][0][key] = odd
        state.write_text(json.dumps({"version": 1, "ledger": 0, "holds": damaged}))
        try:
            model, _ = resume(PLANT, state, None)
        except GatewayError:
            refused += 1
            continue
        taken += 1
        for endpoint, body in ACCEPTED.items():
            assert model.answer(f"/v2/{endpoint}", json.dumps(body).encode()).status in {200, 400, 404, 409}
    assert refused > 100
    assert taken > 10


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "ledger": -1}', "[" * 100_000])
def test_what_is_no_state_is_said(tmp_path: Path, content: str) -> None:
    """By the command: 1 and one sentence that names the file, which stays as it is."""
    state = tmp_path / "oden.json"
    state.write_text(content)
    ended = subprocess.run(
        [*COMMAND, "--port", "0", "--state", str(state)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert str(state) in ended.stderr
    assert state.read_text() == content


def test_a_state_that_cannot_be_written_is_said_before_anything_listens(tmp_path: Path) -> None:
    """Not when everything is lost at the end."""
    state = tmp_path / "missing" / "oden.json"
    ended = subprocess.run(
        [*COMMAND, "--port", "0", "--state", str(state)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(state) in ended.stderr


def test_a_ledger_that_is_shorter_than_the_state_says_is_another_one(tmp_path: Path) -> None:
    """It is refused: what of it has happened cannot be known."""
    state, ledger = tmp_path / "oden.json", tmp_path / "oden.jsonl"
    save(state, OdenModel(Organization()), 2)
    book = Ledger(ledger)
    book.append(LedgerEntry(0, "/v2/factory/search", {"match": "all"}, 200))
    book.close()
    with pytest.raises(GatewayError, match=r"it holds 1 lines, and the state .* contains 2 of it"):
        resume(Organization(), state, ledger)
