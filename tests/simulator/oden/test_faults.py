"""The language of faults, and which requests they strike, without sockets."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.oden.fault_injection import FaultInjector
from gateway.simulator.oden.faults import KINDS, Decision, FaultError, Genuine, Reply, make_fault, read_fault, reply_of
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Organization

SET = "/v2/interval/set"
RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 01", "factory": {"name": "Factory A"}},
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}

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
    """Decisions depend on faults, seed and what came before, on nothing else; a driver can always carry them out."""
    injectors = [
        FaultInjector(Organization(), seed, [make_fault(kind, **options) for kind, options in given_]) for _ in range(2)
    ]
    for now, (path, body) in enumerate(requests):
        first, second = (injector.decide(path, body, now * 5.0) for injector in injectors)
        assert first == second
        assert first.delay >= 0
        assert first.commit is None or first.commit >= 0
        assert first.commit == 0 or not isinstance(first.sees, Genuine)
    assert all(injector.requests.total() == len(requests) for injector in injectors)


@given(st.lists(faults(), max_size=4), REQUESTS, faults())
def test_a_fault_that_never_strikes_changes_no_decision(
    given_: list[tuple[str, dict[str, object]]], requests: list[tuple[str, bytes]], more: tuple[str, dict[str, object]]
) -> None:
    """The chances of one fault do not depend on others."""
    given_faults = [make_fault(kind, **options) for kind, options in given_]
    idle = make_fault(more[0], **{**more[1], "at": "quality_test/set"})
    injectors = [
        FaultInjector(Organization(), 3, given_faults),
        FaultInjector(Organization(), 3, [*given_faults, idle]),
    ]
    for now, (path, body) in enumerate(requests):
        first, second = (injector.decide(path, body, now * 5.0) for injector in injectors)
        assert first == second


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
    ("words", "expected"),
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
def test_a_wrong_fault_is_refused_and_says_what_would_be_right(words: str, expected: str) -> None:
    """The message names the way out."""
    with pytest.raises(FaultError) as error:
        read_fault(words)
    assert expected in str(error.value)


def decided(words: str, now: float = 0.0, path: str = SET, body: object = RUN) -> Decision:
    return FaultInjector(Organization(), 0, [read_fault(words)]).decide(path, json.dumps(body).encode(), now)


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
    injector = FaultInjector(Organization(), 0, [read_fault(each) for each in words])
    assert injector.decide(SET, b"", 0.0) == Decision(3.0, None, "closed")
    assert [active.struck for active in injector.active.values()] == [1, 1, 0, 1]


def test_times_are_used_up_and_removed_faults_are_gone() -> None:
    """A fault strikes as often as it may, then the next one has its turn; a removed one strikes no more."""
    injector = FaultInjector(Organization(), 0, [read_fault("close times=2"), read_fault("hang")])
    assert [injector.decide(SET, b"", 0.0).sees for _ in range(3)] == ["closed", "closed", "hanging"]
    assert injector.remove(2)
    assert not injector.remove(2)
    assert injector.decide(SET, b"", 0.0) == Decision()


def test_a_chance_is_met_about_as_often_as_it_says() -> None:
    """Of 2,000 requests a chance of 20% strikes 400, give or take five standard deviations; delays fill their range."""
    injector = FaultInjector(Organization(), 7, [read_fault("close chance=20%"), read_fault("latency seconds=1..2")])
    decisions = [injector.decide(SET, b"", 0.0) for _ in range(2000)]
    assert 310 <= sum(decision.sees == "closed" for decision in decisions) <= 490
    delays = [decision.delay for decision in decisions]
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
    reply = reply_of(OdenModel(Organization()).answer(SET, json.dumps(RUN).encode()))
    half = Genuine(whole=False).of(reply)
    assert (half.body, len(half.body) + half.missing) == (reply.body[: len(reply.body) // 2], len(reply.body))
    (interval,) = json.loads(Genuine(ids=False).of(reply).body)
    assert "id" not in interval
    assert "id" in interval["line"]
    assert Genuine(ids=False).of(Reply(200, b'["178b9a1ec20"]')).body == b"[]"
