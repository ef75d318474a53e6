"""What a later life has told is taken off what an older copy of the memory still has to tell."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.credit import credited, known_output
from gateway.mapping.line import LineState
from gateway.model import Output, Record
from tests.mapping.recording import LINE, T0, Played, order, plan, play, scrap, tag, tick

EXAMPLE = plan()
DOWN = plan(
    inputs={**LINE["inputs"], "good": {"source": "plc", "node": "Good", "counter": {"direction": "down"}}},
)
SIGNED = plan(
    inputs={**LINE["inputs"], "good": {"source": "plc", "node": "Good", "counter": {"signed": 16}}},
)


def shown(records: list[Record], since: int) -> list[dict[str, object]]:
    """What Oden shows of records beyond a time stamp."""
    return [dict(record.raw_data) for record in records if isinstance(record, Output) and record.timestamp > since]


def totals(*parts: list[dict[str, object]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for raw in (raw for part in parts for raw in part):
        for name in ("yield", "scrap"):
            found[f"{name} {raw.get('scrap_code', '') if name == 'scrap' else ''}"] += int(str(raw.get(name, 0)))
    return +found


moves = st.lists(st.tuples(st.integers(10, 40), st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=12)


@given(before=moves, since=moves, after=moves, seed=st.sampled_from(["up", "down", "signed"]))
def test_p4_an_older_copy_tells_each_part_once(
    before: list[tuple[int, int, int]], since: list[tuple[int, int, int]], after: list[tuple[int, int, int]], seed: str
) -> None:
    """However far the counters moved before the copy was taken, in the life that it does not know, and after: what the
    two lives have told together is what was made."""
    line = {"up": EXAMPLE, "down": DOWN, "signed": SIGNED}[seed]
    good, reject, now, made = {"up": 65_500, "down": 5000, "signed": 32_700}[seed], 10, 5.0, Counter[str]()
    state = play(line, tag(1, "Good", good), tag(1, "Reject", reject), order(2, "A"), tick(4)).state

    def live(state: LineState, moves: list[tuple[int, int, int]]) -> Played:
        nonlocal good, reject, now, made
        samples = []
        for seconds, goods, rejects in moves:
            now += seconds
            good, reject = good + (-goods if seed == "down" else goods), reject + rejects
            value = (good + 32_768) % 65_536 - 32_768 if seed == "signed" else good % 65_536
            made += Counter({"yield ": goods, "scrap Auto reject": rejects})
            samples += [tag(now, "Good", value), tag(now, "Reject", reject)]
        return play(line, *samples, state=state)

    first = live(state, before)
    unknown = live(first.state, since)
    now += 130
    unknown.records += play(line, tick(now), state=unknown.state).records
    last = max(known.last for known in known_output(line, first.state))
    copy, _ = credited(line, first.state, {"RUN": shown(unknown.records, last)})
    second = live(copy, after)
    second.records += play(line, tick(now + 130), state=second.state).records
    assert totals(*(shown(life.records, 0) for life in (first, unknown, second))) == +made


def test_p4_what_events_have_told_stays() -> None:
    """A message is told once, by the life that has taken it."""
    state = play(EXAMPLE, tag(1, "Good", 100), order(2, "A"), tick(4)).state
    later = play(EXAMPLE, scrap(10, 3, "Gel"), tick(100), state=state)
    after, taken = credited(EXAMPLE, state, {"RUN": shown(later.records, 0)})
    assert (after.inputs, after.output.pending, taken) == (state.inputs, state.output.pending, {})
    assert [known.last for known in known_output(EXAMPLE, state)] == [int(T0) + 2]
