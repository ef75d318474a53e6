"""What is told once and not taken back where something comes late: settings, of which the last word is to be so, and
tests, which stay where they were told; and what was told since the time of a message that is older than all that is
remembered. Pure.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from gateway.frozen import replace
from gateway.mapping.compile import LinePlan
from gateway.mapping.facts import LISTED, Facts, Told, counted_off
from gateway.mapping.line import LineState, Step
from gateway.mapping.times import clock
from gateway.mapping.told_amounts import in_words
from gateway.mapping.values import excerpt
from gateway.model import Notice, Output, Sample, Setting
from gateway.record_kinds import begins_anew


def untold_settings(told: Facts, now: Facts, older: Callable[[], Iterable[Told]] = tuple) -> Iterator[Setting]:
    """Settings that were not told yet: of one thing what they say of it, as the last of all that say it has it, where
    that was not told last. A work order that was completed and is begun again is another thing; of the times before all
    is said that is known, since only that tells them from the last.

    Where what was told last of a thing is not what is so, though nothing is new (it was another product's by then),
    what is so is said again; what is not said of it any more in this stretch of time, as the `older` told it.
    """
    known = Counter(map(_setting, told.settings))
    was: dict[str, list[Setting]] = {}
    for setting in told.settings:
        _say(was, setting)
    is_so: dict[str, list[Setting]] = {}
    news: dict[tuple[str, int], Setting] = {}
    for setting in now.settings:
        place = _say(is_so, setting)
        if not counted_off(known, _setting(setting)):
            before = news.get(place)
            news[place] = replace(setting, fields={**(before.fields if before else {}), **setting.fields})
    for (about, time), setting in news.items():
        said, is_last = is_so[about][time].fields, time == len(is_so[about]) - 1
        fields = {name: said[name] for name in setting.fields}
        known_of = _of_the_same(was.get(about, ()), said)
        if any(name not in known_of or known_of[name] != value for name, value in fields.items()):
            yield replace(setting, fields=fields if is_last else said)
    for about, last in _last_of(was, is_so, older).items():
        news_of_it = about in is_so and (about, len(is_so[about]) - 1) in news
        known_of = _of_the_same(was[about], last.fields)
        if not news_of_it and any(known_of.get(name) != value for name, value in last.fields.items()):
            yield last


def _last_of(
    was: Mapping[str, list[Setting]], is_so: Mapping[str, list[Setting]], older: Callable[[], Iterable[Told]]
) -> Mapping[str, Setting]:
    """By each thing of which something was told, the last that is said of it by what is known now."""
    found = {about: is_so[about][-1] for about in was if about in is_so}
    if len(found) < len(was):
        before = dict[str, list[Setting]]()
        for setting in (one for part in older() for one in part.records if isinstance(one, Setting)):
            _say(before, setting)
        found |= {about: before[about][-1] for about in was if about not in is_so and about in before}
    return found


def _say(said: dict[str, list[Setting]], setting: Setting) -> tuple[str, int]:
    """Add a setting to what was said of each thing, each time that it was begun by itself: of which, and which time."""
    times = said.setdefault(about := _about(setting), [])
    if not times or begins_anew(times[-1], setting):
        times.append(setting)
    else:
        times[-1] = replace(setting, fields={**times[-1].fields, **setting.fields})
    return about, len(times) - 1


def _of_the_same(told: Sequence[Setting], said: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """What was told of the time of which this is `said`: the last that does not differ in when it began, or in when it
    was completed where that is all that is known of either."""
    for setting in reversed(told):
        both = [name for name in ("started_at", "completed_at") if name in setting.fields and name in said]
        if not both or said[both[0]] == setting.fields[both[0]]:
            return setting.fields
    return {}


def untold_tests(told: Facts, now: Facts) -> Sequence[Output]:
    """Tests that were not told yet, of whatever interval. Of those that say the same, one of the same time was told
    rather than another, and of these the one of the same interval."""
    untold, known = now.tests, told.tests
    for alike in (_test_of_its_interval, _test_of_its_time, _test):
        both = Counter(map(alike, untold)) & Counter(map(alike, known))
        untold, known = _without(untold, both, alike), _without(known, both, alike)
    return untold


def _without(tests: Iterable[Output], known: Counter[str], alike: Callable[[Output], str]) -> list[Output]:
    left = known.copy()
    return [test for test in tests if not counted_off(left, alike(test))]


def misplaced_tests(told: Facts, now: Facts, name: Callable[[str], str], at: float) -> Iterator[Notice]:
    """What is said of tests that were told of another interval than the one whose they are, where they stay."""
    right, elsewhere = Counter((_test(test), test.interval) for test in now.tests), list[Output]()
    for test in told.tests:
        if not counted_off(right, (_test(test), test.interval)):
            elsewhere.append(test)
    left = [test for test in now.tests if right[_test(test), test.interval] > 0]
    for test in elsewhere:
        place = next((place for place, other in enumerate(left) if _test(other) == _test(test)), None)
        of = f"{name(left.pop(place).interval)}'s" if place is not None else "of none that is known"
        said = f"a test of {clock(test.timestamp)} was told of {name(test.interval)} and stays there, though it is {of}"
        yield Notice("gap", at, "", "", f"{said} by what is known now: {excerpt(dict(test.raw_data))}")


def with_what_stays(plan: LinePlan, before: LineState | None, step: Step, message: Sample, said: float) -> Step:
    """What came of a message that is taken by itself, because it is older than all that is remembered, and what is to
    be said of it: output that was told of the time since it spoke stays where it is, whosever that was. `before`: the
    line before, where it is so."""
    if before is None or message.received - said <= LISTED:
        return step
    outputs = (before.output, before.batch_output)
    told = max((at for output in outputs for stamps in output.stamps.values() for at in stamps[-1:]), default=0)
    if told <= said or plan.counts_each(message):
        return step
    amounts = in_words(before.told, said)
    text = (
        f"came {message.received - said:.0f} s late, which is further back than is remembered of the line: output that "
        f"was told until {clock(told)} stays where it is{amounts and f' ({amounts})'}: {excerpt(message.value)}"
    )
    notice = Notice("gap", message.received, message.source, message.address, text)
    return replace(step, notices=(*step.notices, notice))


def _about(setting: Setting) -> str:
    return repr((setting.type, setting.about))


def _setting(setting: Setting) -> str:
    return repr((setting.type, sorted(setting.fields.items(), key=repr)))


def _test(test: Output) -> str:
    return repr((test.quality_schema, sorted(test.raw_data.items(), key=repr)))


def _test_of_its_time(test: Output) -> str:
    return repr((test.timestamp, _test(test)))


def _test_of_its_interval(test: Output) -> str:
    return repr((test.interval, _test_of_its_time(test)))
