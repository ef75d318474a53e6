"""The comparison: it passes what is right and fails everything that is off, however little."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.simulator.oden.bodies import format_time
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Organization
from gateway.simulator.plant import FACTORY, IDLE, LINE, StateChange, shift
from gateway.simulator.truth import AUTO_REJECT, MEANING, Account, Run, State, compare, oden_account, plant_account

BEGIN = 1_795_334_400.125
EVENTS = (StateChange(BEGIN - 5, IDLE), *shift(7, BEGIN, lambda at: at >= BEGIN + 130))
PLANT = plant_account(EVENTS)
ON_TIME = tuple(BEGIN + number * 1.001 for number in range(50))


def at_oden(account: Account) -> Account:
    """`account` as Oden has it after a faultless delivery: whole seconds."""

    def whole(at: float | None) -> float | None:
        return None if at is None else int(at)

    return Account(
        tuple(replace(run, start=int(run.start), end=whole(run.end)) for run in account.runs),
        tuple(replace(state, start=int(state.start), end=whole(state.end)) for state in account.states),
    )


ODEN = at_oden(PLANT)


def first_run(oden: Account, **changes: Any) -> Account:
    return replace(oden, runs=(replace(oden.runs[0], **changes), *oden.runs[1:]))


def last_state(oden: Account, **changes: Any) -> Account:
    return replace(oden, states=(*oden.states[:-1], replace(oden.states[-1], **changes)))


def some_state(oden: Account, **changes: Any) -> Account:
    return replace(oden, states=(oden.states[0], replace(oden.states[1], **changes), *oden.states[2:]))


RUN, STATE = ODEN.runs[0], ODEN.states[1]
MUTATIONS: dict[str, Callable[[Account], Account]] = {
    "run missing": lambda oden: replace(oden, runs=oden.runs[1:]),
    "last run missing": lambda oden: replace(oden, runs=oden.runs[:-1]),
    "run twice": lambda oden: replace(oden, runs=(RUN, *oden.runs)),
    "empty run twice": lambda oden: replace(oden, runs=(Run(RUN.order, RUN.product, RUN.start, RUN.end), *oden.runs)),
    "run of nobody": lambda oden: replace(oden, runs=(*oden.runs, Run("WO-9", "FILM-80", BEGIN, BEGIN))),
    "run with another order": lambda oden: first_run(oden, order="WO-1000"),
    "run with another product": lambda oden: first_run(oden, product="PIPE"),
    "run begins too late": lambda oden: first_run(oden, start=RUN.start + 2),
    "run begins too early": lambda oden: first_run(oden, start=RUN.start - 1),
    "run ends too late": lambda oden: first_run(oden, end=(RUN.end or 0) + 2),
    "run is still on": lambda oden: first_run(oden, end=None),
    "a good part missing": lambda oden: first_run(oden, good=RUN.good - 1),
    "a good part too many": lambda oden: first_run(oden, good=RUN.good + 1),
    "a good part in the wrong run": lambda oden: replace(
        oden,
        runs=(replace(RUN, good=RUN.good - 1), replace(oden.runs[1], good=oden.runs[1].good + 1), *oden.runs[2:]),
    ),
    "scrap missing": lambda oden: first_run(oden, scrap={}),
    "scrap under another code": lambda oden: first_run(oden, scrap={"Other": sum(RUN.scrap.values())}),
    "scrap too much": lambda oden: first_run(oden, scrap={**RUN.scrap, "Auto reject": 99}),
    "state missing": lambda oden: replace(oden, states=(oden.states[0], *oden.states[2:])),
    "state twice": lambda oden: replace(oden, states=(*oden.states[:2], *oden.states[1:])),
    "state of nobody": lambda oden: replace(oden, states=(*oden.states, State("Uptime", None, BEGIN + 900))),
    "state with another category": lambda oden: some_state(oden, category="No Data"),
    "state with another reason": lambda oden: some_state(oden, reason="Jam"),
    "state begins too late": lambda oden: some_state(oden, start=STATE.start + 2),
    "state ends too early": lambda oden: some_state(oden, end=(STATE.end or 0) - 2),
    "state is still on": lambda oden: some_state(oden, end=None),
    "last state has ended": lambda oden: last_state(oden, end=ODEN.states[-1].start + 5),
    "nothing at all": lambda _: Account((), ()),
}


def test_a_faultless_delivery_passes() -> None:
    """Equal accounts, up to whole seconds, give a report that is all right and mentions every run."""
    report = compare(PLANT, ODEN, ON_TIME, 0)
    assert report.ok, report
    assert {f"run {run.order}" for run in PLANT.runs} <= {row.what for row in report.rows}


def test_the_example_shift_has_something_to_lose() -> None:
    """The shift that the mutations are made on has several runs, every kind of state, and scrap in its first run."""
    assert len(PLANT.runs) >= 3
    assert {state.reason for state in PLANT.states} >= {None, "Jam", "Changeover", "No order", "PLC code 7"}
    assert PLANT.runs[0].scrap


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_fault_fails(name: str) -> None:
    """One thing wrong at Oden is enough for the report to fail, and a row says so."""
    mutated = MUTATIONS[name](ODEN)
    assert mutated != ODEN
    assert not compare(PLANT, mutated, ON_TIME, 0).ok


@given(st.sampled_from(range(1, len(ON_TIME))), st.floats(0, 0.949))
def test_p3_requests_too_close_fail(number: int, gap: float) -> None:
    """Two requests less than a second apart fail, wherever they are and in whatever order the ledger has them."""
    early = [*ON_TIME[:number], ON_TIME[number - 1] + gap, *ON_TIME[number:]]
    assert not compare(PLANT, ODEN, early, 0).ok
    assert not compare(PLANT, ODEN, early[::-1], 0).ok


@given(st.lists(st.floats(0, 0.5), min_size=len(ON_TIME), max_size=len(ON_TIME)))
def test_p3_requests_that_a_busy_machine_takes_up_late_do_not_fail(late: list[float]) -> None:
    """However close two of them seem to be because of that."""
    assert compare(PLANT, ODEN, [at + by for at, by in zip(ON_TIME, late, strict=True)], 0).ok


@pytest.mark.parametrize("waiting", [1, None])
def test_p6_what_is_left_in_the_outbox_fails(waiting: int | None) -> None:
    """A record that still waits, or is a dead letter, fails, and so does a gateway that does not say."""
    assert not compare(PLANT, ODEN, ON_TIME, waiting).ok


def test_no_work_and_no_requests_pass() -> None:
    """Where nothing happened and nothing was sent there is nothing to fail."""
    assert compare(Account((), ()), Account((), ()), (), 0).ok


@dataclass
class Delivery:
    """Puts an account into the stand-in the way a gateway does, request by request."""

    model: OdenModel

    def put(self, path: str, body: object) -> Any:
        answer = self.model.answer(path, json.dumps(body).encode())
        assert answer.status == 200, answer
        return answer.body

    def interval(self, kind: str, name: str | None, start: float, end: float | None, details: object) -> None:
        interval = {"type": {"name": kind}, "line": {"name": LINE, "factory": {"name": FACTORY}}}
        times = {"start_time": format_time(int(start))} | ({} if end is None else {"end_time": format_time(int(end))})
        named = {} if name is None else {"name": name}
        self.put("/v2/interval/set", {**interval, **named, **times, "metadata": details})

    def output(self, run: Run, number: int, raw_data: object) -> None:
        line = {"name": LINE, "factory": {"name": FACTORY}}
        wanted = {"type": {"name": "RUN"}, "line": line, "name": run.order, "match": "unique"}
        (created,) = self.put("/v2/interval/search", wanted)
        interval = {"type": {"name": "RUN"}, "line": line, "id": created["id"]}
        data = {"raw_data": raw_data, "timestamp": format_time(int(run.start) + number)}
        self.put("/v2/scrap_yield/set", {"interval": interval, "data": data})


def test_the_account_is_read_from_the_stand_in() -> None:
    """What is delivered to the stand-in in several entries is read back as the same account, and passes."""
    delivery = Delivery(OdenModel(Organization()))
    for run in PLANT.runs:
        delivery.interval("RUN", run.order, run.start, run.end, {"product": {"name": run.product}})
        delivery.output(run, 1, {"yield": run.good - 1})
        delivery.output(run, 2, {"yield": 1, "scrap": 0, "scrap_code": "Auto reject"})
        for number, (code, qty) in enumerate(run.scrap.items(), start=3):
            delivery.output(run, number, {"scrap": qty, "scrap_code": code})
    for state in PLANT.states:
        reason = {} if state.reason is None else {"reason": {"name": state.reason}}
        delivery.interval("STATE", None, state.start, state.end, {"category": {"name": state.category}, **reason})
    assert compare(PLANT, oden_account(delivery.model), ON_TIME, 0).ok
    delivery.output(PLANT.runs[0], 20, {"yield": 1})
    assert not compare(PLANT, oden_account(delivery.model), ON_TIME, 0).ok


@pytest.mark.parametrize("amount", [2.5, "2", True, None, [2]])
def test_amounts_that_are_no_whole_numbers_fail(amount: object) -> None:
    """An amount that is not a whole number is never taken for one, so that it fails against the plant's parts."""
    delivery = Delivery(OdenModel(Organization()))
    run = Run("WO-1", "FILM-80", BEGIN, BEGIN + 60, good=2)
    delivery.interval("RUN", run.order, run.start, run.end, {"product": {"name": run.product}})
    delivery.output(run, 1, {"yield": 2})
    assert compare(Account((run,), ()), oden_account(delivery.model), (), 0).ok
    delivery.output(run, 2, {"yield": amount})
    assert not compare(Account((run,), ()), oden_account(delivery.model), (), 0).ok


def test_the_demo_configuration_means_what_the_truth_says() -> None:
    """`config/demo.yaml` gives every state code the category and reason that the comparison expects."""
    tree = YAML(typ="safe", pure=True).load(Path("config/demo.yaml").read_text(encoding="utf-8"))
    (line,) = tree["lines"]
    codes = {code: (state["category"], state.get("reason")) for code, state in line["states"]["codes"].items()}
    assert codes == MEANING
    assert line["states"]["other"] == {"category": "Unplanned Downtime", "reason": "PLC code {state}"}
    assert line["scrap_yield"]["entries"][1]["raw_data"]["scrap_code"] == AUTO_REJECT
    assert (line["factory"], line["line"]) == (FACTORY, LINE)
