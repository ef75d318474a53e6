"""The fault plan and the fault language, without sockets."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.oden_faults import (
    KINDS,
    Decision,
    FaultError,
    Genuine,
    Reply,
    make_fault,
    read_fault,
    reply_of,
)
from gateway.simulator.oden_lag import Lagging
from gateway.simulator.oden_model import OdenModel, Plant
from gateway.simulator.oden_modes import ModeError, Modes, read_modes
from gateway.simulator.oden_plan import FaultPlan

SET = "/v2/interval/set"
RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 01", "factory": {"name": "Factory A"}},
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}
SEARCH = json.dumps({"type": RUN["type"], "line": RUN["line"], "match": "all"}).encode()

OPTIONS = {
    "at": st.sampled_from(["interval/set", "*/search", "interval/*", "*"]),
    "line": st.sampled_from(["Line 01", "Line 02"]),
    "holding": st.sampled_from(["4711", "Pipe"]),
    "since": st.integers(0, 50),
    "until": st.integers(0, 100),
    "chance": st.sampled_from(["0.5", "20%", 0.7]),
    "times": st.integers(1, 3),
}


@st.composite
def faults(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A kind with conditions, and with a commit where it has one."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    options: dict[str, object] = draw(st.fixed_dictionaries({}, optional=OPTIONS))
    if kind == "latency":
        options["seconds"] = draw(st.sampled_from([0.5, "0.1..3"]))
    if "commit" in KINDS[kind][1]:
        options["commit"] = draw(st.sampled_from(["no", "yes", 5]))
    return kind, options


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([SET, "/v2/interval/search", "/v2/scrap_yield/set"]),
        st.sampled_from([json.dumps(RUN).encode(), b'{"line": {"name": "Line 02"}}', b"4711", b"\xff"]),
    ),
    max_size=20,
)


@given(st.lists(faults(), max_size=5), REQUESTS, st.integers())
def test_the_same_seed_and_requests_give_the_same_decisions(
    given_: list[tuple[str, dict[str, object]]], requests: list[tuple[str, bytes]], seed: int
) -> None:
    """A plan depends on nothing but its faults, its seed and what came before; a driver can always carry it out."""
    plans = [FaultPlan(Plant(), seed, [make_fault(kind, **options) for kind, options in given_]) for _ in range(2)]
    for now, (path, body) in enumerate(requests):
        one, other = (plan.decide(path, body, now * 5.0) for plan in plans)
        assert one == other
        assert one.delay >= 0
        assert one.commit is None or one.commit >= 0
        assert one.commit == 0 or not isinstance(one.sees, Genuine)
    assert all(plan.requests.total() == len(requests) for plan in plans)


@given(st.lists(faults(), max_size=4), REQUESTS, faults())
def test_a_fault_that_never_strikes_changes_no_decision(
    given_: list[tuple[str, dict[str, object]]], requests: list[tuple[str, bytes]], more: tuple[str, dict[str, object]]
) -> None:
    """The chances of one fault do not depend on others."""
    told = [make_fault(kind, **options) for kind, options in given_]
    idle = make_fault(more[0], **{**more[1], "at": "quality_test/set"})
    plans = [FaultPlan(Plant(), 3, told), FaultPlan(Plant(), 3, [*told, idle])]
    for now, (path, body) in enumerate(requests):
        one, other = (plan.decide(path, body, now * 5.0) for plan in plans)
        assert one == other


@given(faults())
def test_words_say_the_fault_again(given_: tuple[str, dict[str, object]]) -> None:
    """What a fault is listed as can be given again and is the same fault."""
    fault = make_fault(given_[0], **given_[1])
    assert read_fault(fault.words) == fault


@given(st.text(max_size=30) | st.builds("{} {}={}".format, st.sampled_from(sorted(KINDS)), st.text(), st.text()))
def test_any_text_is_a_fault_or_refused(text: str) -> None:
    """Nothing that is written raises anything else."""
    with suppress(FaultError):
        read_fault(text)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("", "KIND"),
        ("explode", "latency, error"),
        ("close commit", "KEY=VALUE"),
        ("close commit=soon", "seconds after the answer"),
        ("close commit=-1", "seconds after the answer"),
        ("truncated commit=no", "'commit'"),
        ("latency", "seconds=S"),
        ("latency seconds=3..1", "0.1..3"),
        ("error status=200", "400 to 599"),
        ("html status=204", "with a body"),
        ("close chance=2", "20%"),
        ("close times=0", "1 or more"),
        ("close at=interval/set at=*", "twice"),
        ("redirect to='/a\r\nSet-Cookie: x'", "without spaces"),
        ("close 'line=", "KIND KEY=VALUE"),
    ],
)
def test_a_wrong_fault_is_refused_and_says_what_would_be_right(words: str, what: str) -> None:
    """The message names the way out."""
    with pytest.raises(FaultError) as error:
        read_fault(words)
    assert what in str(error.value)


def decided(words: str, now: float = 0.0, path: str = SET, body: object = RUN) -> Decision:
    return FaultPlan(Plant(), 0, [read_fault(words)]).decide(path, json.dumps(body).encode(), now)


@pytest.mark.parametrize(
    ("condition", "strikes"),
    [
        ("at=interval/set", True),
        ("at=*/set", True),
        ("at=*", True),
        ("at=interval/search", False),
        ("at=intervals/set", False),
        ("line='Line 01'", True),
        ("line='Line 02'", False),
        ("holding=Pipe", True),
        ("holding=4711", False),
        ("since=10", True),
        ("since=10.5", False),
        ("until=10.5", True),
        ("until=10", False),
        ("chance=1", True),
        ("chance=0", False),
    ],
)
def test_conditions(condition: str, strikes: bool) -> None:
    """Each condition lets a request through or holds it; times include their start and not their end."""
    assert (decided(f"close {condition}", 10.0) != Decision()) is strikes


def test_every_latency_counts_and_the_first_other_fault_decides() -> None:
    """Delays add up; of two faults that could answer, the one that was added first does, and only it is counted."""
    words = ["latency seconds=1", "close", "html", "latency seconds=2"]
    plan = FaultPlan(Plant(), 0, [read_fault(each) for each in words])
    assert plan.decide(SET, b"", 0.0) == Decision(3.0, None, "closed")
    assert [one.struck for one in plan.in_force.values()] == [1, 1, 0, 1]


def test_times_are_used_up_and_removed_faults_are_gone() -> None:
    """A fault strikes as often as it may, then the next one has its turn; a removed one strikes no more."""
    plan = FaultPlan(Plant(), 0, [read_fault("close times=2"), read_fault("hang")])
    assert [plan.decide(SET, b"", 0.0).sees for _ in range(3)] == ["closed", "closed", "hanging"]
    assert plan.remove(2)
    assert not plan.remove(2)
    assert plan.decide(SET, b"", 0.0) == Decision()


def test_a_chance_is_met_about_as_often_as_it_says() -> None:
    """Of 2,000 requests a chance of 20% strikes 400, give or take five standard deviations; delays fill their range."""
    plan = FaultPlan(Plant(), 7, [read_fault("close chance=20%"), read_fault("latency seconds=1..2")])
    decisions = [plan.decide(SET, b"", 0.0) for _ in range(2000)]
    assert 310 <= sum(one.sees == "closed" for one in decisions) <= 490
    delays = [one.delay for one in decisions]
    assert 1 <= min(delays) < 1.1
    assert 1.9 < max(delays) <= 2


@pytest.mark.parametrize(
    ("words", "commit", "sees"),
    [
        ("close", None, "closed"),
        ("close commit=yes", 0.0, "closed"),
        ("close commit=2.5", 2.5, "closed"),
        ("hang commit=yes", 0.0, "hanging"),
        ("truncated", 0.0, Genuine(whole=False)),
        ("no_id", 0.0, Genuine(ids=False)),
        ("content_type type=text/html", 0.0, Genuine(content_type="text/html")),
        ("redirect", None, Reply(302, b"", "text/html", (("Location", "/login"),))),
    ],
)
def test_decisions_are_data(words: str, commit: float | None, sees: object) -> None:
    """What a driver needs is in the decision, as values that compare."""
    assert decided(words) == Decision(0.0, commit, sees)  # type: ignore[arg-type]


def test_a_genuine_answer_is_spoilt_without_sockets() -> None:
    """Half a body with the rest missing; a body without the ids of what it is about, in lists of ids too."""
    reply = reply_of(OdenModel(Plant()).answer(SET, json.dumps(RUN).encode()))
    half = Genuine(whole=False).of(reply)
    assert (half.body, len(half.body) + half.missing) == (reply.body[: len(reply.body) // 2], len(reply.body))
    (interval,) = json.loads(Genuine(ids=False).of(reply).body)
    assert "id" not in interval
    assert "id" in interval["line"]
    assert Genuine(ids=False).of(Reply(200, b'["178b9a1ec20"]')).body == b"[]"


# --- modes and lag


@pytest.mark.parametrize(
    "given_",
    [{"range": "within"}, {"nothing": 200}, {"ids": "maybe"}, {"bulk_update": 500}, {"search_lag": -1}, {"more": 1}],
)
def test_a_wrong_mode_is_refused(given_: Mapping[str, object]) -> None:
    """The message names the mode and what it can be."""
    with pytest.raises(ModeError) as error:
        read_modes(given_)
    assert next(iter(given_)) in str(error.value)


def test_modes_are_read_as_words_and_as_values() -> None:
    """Flags give words, the admin port gives JSON values; what is not given stays."""
    words = {"nothing": "404", "range": "start", "ids": "no", "bulk_update": "501", "search_lag": "2.5"}
    values = {"nothing": "404", "range": "start", "ids": False, "bulk_update": 501, "search_lag": 2.5}
    assert read_modes(words) == read_modes(values) == Modes("404", "start", False, 501, 2.5)
    assert read_modes({"range": "start"}, Modes(search_lag=1)) == Modes(range="start", search_lag=1)


def test_searches_lag_by_exactly_the_time_that_is_set() -> None:
    """A write at 10 s with a lag of 5 s is not seen before 15 s, and is at 15 s, also where modes changed meanwhile."""
    model = OdenModel(Plant(), Modes(search_lag=5))
    lagging = Lagging(model)
    made: Any = lagging.answer(SET, json.dumps(RUN).encode(), 10.0).body
    interval: dict[str, object] = made[0]
    end = {"id": interval["id"], "end_time": "2021-04-04T09:00:00Z"}
    update = {"type": RUN["type"], "line": RUN["line"], "intervals": [end]}
    lagging.answer("/v2/intervals/update", json.dumps(update).encode(), 11.0)
    model.modes = Modes(search_lag=5, bulk_update=404)

    def seen(now: float) -> object:
        return lagging.answer("/v2/interval/search", SEARCH, now).body

    assert seen(14.9) == []
    assert seen(15.0) == [interval]
    assert seen(16.0) == [interval | {"end_time": "2021-04-04T09:00:00Z"}]
    model.modes = Modes()
    assert seen(16.0) == lagging.model.answer("/v2/interval/search", SEARCH).body


@given(REQUESTS, st.floats(0.1, 20))
def test_in_the_end_searches_see_what_is_there(requests: list[tuple[str, bytes]], lag: float) -> None:
    """Whatever was sent: once the lag has passed, a lagging stand-in answers as one that never lagged."""
    lagging, plain = Lagging(OdenModel(Plant(), Modes(search_lag=lag))), OdenModel(Plant())
    lagging.answer("/v2/interval/search", SEARCH, 0.0)
    for now, (path, body) in enumerate(requests):
        lagging.answer(path, body, float(now))
        plain.answer(path, body)
    assert lagging.model == plain
    late = lagging.answer("/v2/interval/search", SEARCH, len(requests) + lag)
    assert late == plain.answer("/v2/interval/search", SEARCH)
