"""`test`: cases beside a configuration, what they expect and what must never be."""

from pathlib import Path

import pytest

from tests.config.command import GOOD
from tests.trial.conftest import run

CASE = """
- name: an order starts a run, and a counter over its rollover is counted
  given:
    - {at: 1s, set: {state: 1, good: 65530}}
    - {at: 10s, topic: plant-a/L01/events/order, message: {number: "4711", sku: FILM}}
    - {at: 30s, set: {good: 2}}
    - {at: 70s}
  expect:
    - interval/set: {metadata: {category: {name: Uptime}}}
    - interval/set: {type: {name: RUN}, name: "4711", start_time: "2026-01-05T06:00:10Z"}
    - scrap_yield/set: {data: {raw_data: {yield: 8}}, interval: {id: <RUN 1>}}
- name: no order, no run
  given: [{at: 1s, set: {good: 5}}, {at: 1h}]
  expect: []
"""


def test_cases_beside_the_configuration(config: Path) -> None:
    """All as expected: 0. One that is not: 1, with what is otherwise than expected."""
    (config.parent / "line.test.yaml").write_text(CASE, encoding="utf-8")
    answer = run(config, "test")
    assert (answer.code, answer.problems) == (0, []), answer
    assert answer.output.splitlines()[-1] == "2 as expected, 0 not"
    (config.parent / "line.test.yaml").write_text(CASE.replace("yield: 8", "yield: 9"), encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == 1
    assert "request 3, scrap_yield/set: data.raw_data.yield is 8, expected was 9" in answer.output
    assert answer.output.splitlines()[-1] == "1 as expected, 1 not"


@pytest.mark.parametrize("written", [".nan", ".inf", "-.inf"])
def test_a_case_sets_a_tag_to_what_is_no_number(config: Path, written: str) -> None:
    """It counts nothing, and is listed as what it is."""
    case = CASE.replace("{at: 30s,", f"{{at: 20s, set: {{good: {written}}}}}\n    - {{at: 30s,")
    (config.parent / "line.test.yaml").write_text(case, encoding="utf-8")
    answer = run(config, "test")
    assert (answer.code, answer.problems) == (0, []), answer
    assert "good is not a finite number: " in answer.output


MACHINES = """
    inputs:
      base:    {source: press_plc, node: "nsu=urn:acme:line;s=Base"}
      machine: {source: press_plc, node: "nsu=urn:acme:line;s=Machine"}
      execute: {source: press_plc, node: "nsu=urn:acme:line;s=Execute"}
      state:   {expr: 'base != "Cleared" ? base : (machine != "Running" ? machine : execute)'}
    states: {preset: packml, input: state, offline: {after: 60s, category: No Data}}
"""
NOT_ACTIVE = """
- name: an inner machine that does not count is empty, and no lost source
  given:
    - {at: 0s, set: {base: Cleared, machine: Running, execute: Execute}}
    - {at: 100s, set: {machine: Stopped}}
    - {at: 100s, set: {execute: QUALITY}, quality: BadStateNotActive}
    - {at: 300s, set: {base: Aborted}}
    - {at: 300s, set: {machine: null}, quality: Bad_StateNotActive}
    - {at: 600s}
  expect:
    - interval/set: {metadata: {category: {name: Uptime}}}
    - interval/set: {end_time: "2026-01-05T06:01:40Z"}
    - interval/set: {metadata: {category: {name: Unplanned Downtime}, reason: {name: Stopped}}}
    - interval/set: {end_time: "2026-01-05T06:05:00Z"}
    - interval/set: {metadata: {category: {name: Unplanned Downtime}, reason: {name: Aborted}}}
"""


@pytest.mark.parametrize("value", ["null", "Execute", "7"])
def test_a_state_machine_that_does_not_count_is_empty(config: Path, value: str) -> None:
    """Stopped is not No Data, and Aborted is told; whatever value the server sends with that status."""
    config.write_text(GOOD.partition("    inputs:")[0] + MACHINES.lstrip("\n"), encoding="utf-8")
    (config.parent / "line.test.yaml").write_text(NOT_ACTIVE.replace("QUALITY", value), encoding="utf-8")
    answer = run(config, "test")
    assert answer.output.splitlines()[-1] == "1 as expected, 0 not", answer
    assert "reject" not in answer.output


def test_a_message_has_no_quality_of_a_tag(config: Path) -> None:
    """It is named where it stands."""
    case = CASE.replace("message: {number", "quality: BadStateNotActive, message: {number")
    (config.parent / "line.test.yaml").write_text(case, encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == 2
    assert "a message has no quality BadStateNotActive" in answer.problems[0]


GONE = """
- name: the PLC or the device is gone, and comes back
  given:
    - {at: 1s, set: {state: 1, good: 5}}
    - {at: 60s, gone: SOURCE}
    - {at: 600s, set: {state: 1, good: 9}, initial: true}
    - {at: 700s}
  expect:
    - interval/set: {metadata: {category: {name: Uptime}}}
    - interval/set: {end_time: "2026-01-05T06:01:00Z"}
    - interval/set: {start_time: "2026-01-05T06:01:00Z", metadata: {category: {name: No Data}}}
    - interval/set: {end_time: "2026-01-05T06:10:00Z"}
    - interval/set: {start_time: "2026-01-05T06:10:00Z", metadata: {category: {name: Uptime}}}
"""


@pytest.mark.parametrize("source", ["press_plc", "floor", "Plant A/Edge 1/Press 7"])
def test_a_case_in_which_a_source_is_gone(config: Path, source: str) -> None:
    """A PLC, or the Sparkplug device behind a broker, is away for a while: one word for all its inputs."""
    text = GOOD.replace("      hold: 5s", "      offline: {after: 60s, category: No Data}\n      hold: 5s")
    if source != "press_plc":
        for name in ("State", "Good", "Reject"):
            text = text.replace(
                f'source: press_plc, node: "nsu=urn:acme:line;s=L01.{name}"',
                f"source: floor, device: Plant A/Edge 1/Press 7, metric: {name}",
            )
    config.write_text(text, encoding="utf-8")
    (config.parent / "line.test.yaml").write_text(GONE.replace("SOURCE", source), encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == 0, answer.output


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("given: [{at: 1s}]\n", "expect"),
        ("given: []\nexpect: []\n", "given"),
        ("given: [{at: 1}]\nexpect: []\n", "1:14: given.0.at"),
        ("given: [{at: 1s, set: {stat: 1}}]\nexpect: []\n", "1:30: given.0.set.stat: stat is no input"),
        ("given: [{at: 1s, set: {order: 1}}]\nexpect: []\n", "is a field of a message"),
        ("given: [{at: 1s, topic: order}]\nexpect: []\n", "no input has this topic"),
        (
            "given: [{at: 1s, gone: oven}]\nexpect: []\n",
            "no tags come from oven; sources and devices of tags: press_plc",
        ),
        ("line: Line 9\ngiven: [{at: 1s}]\nexpect: []\n", "which line"),
        ("given: [\n", "line.test.yaml:"),
    ],
)
def test_a_case_that_is_wrong_is_named_with_its_place(config: Path, case: str, why: str) -> None:
    """Exit code 2, and file:line:column of what is wrong."""
    (config.parent / "line.test.yaml").write_text(case, encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == 2
    assert "line.test.yaml:" in answer.problems[0]
    assert why in " ".join(answer.problems)


def test_a_case_sets_an_input_to_a_message_that_it_takes(config: Path) -> None:
    """Else nothing would happen, and nobody would know why."""
    config.write_text(GOOD.replace("events/scrap,", "events/scrap, only: {type: scrap},"), encoding="utf-8")
    case = config.parent / "line.test.yaml"
    case.write_text("given: [{at: 1s, set: {scrap: {qty: 1}}}]\nexpect: []\n", encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == 2
    assert "scrap does not take this message: 'only' says which it takes" in answer.problems[0]
    case.write_text("given: [{at: 1s, set: {scrap: {qty: 1, type: scrap}}}]\nexpect: []\n", encoding="utf-8")
    assert run(config, "test").code == 0


def test_no_cases_is_no_success(config: Path) -> None:
    """A pipeline that tests nothing must not be green."""
    assert run(config, "test").code == 2


NEVER = """
# Nights are quiet.
- name: no jam   # ever
  given: [{at: 1s, set: {state: 1}}, {at: 60s}]
  never: [{interval/set: {metadata: {category: {name: CATEGORY}}}}]
- name: absent
  given: [{at: 1s, set: {state: 1}}, {at: 60s}]
  expect: [{interval/set: {type: {name: STATE}, END}}]
"""


@pytest.mark.parametrize(
    ("category", "end", "failures"),
    [
        ("Down", "end_time: null", []),
        ("Uptime", "end_time: null", ["request 1 must never be"]),
        ("Down", "start_time: null", ["start_time is '2026-01-05T06:00:01Z', expected was None"]),
    ],
)
def test_a_case_can_say_what_is_not_to_be(config: Path, category: str, end: str, failures: list[str]) -> None:
    """Requests that must never come, and parts of one that must not be there."""
    text = NEVER.replace("CATEGORY", category).replace("END", end)
    (config.parent / "line.test.yaml").write_text(text, encoding="utf-8")
    answer = run(config, "test")
    assert answer.code == bool(failures), answer
    assert [failure for failure in failures if failure not in answer.output] == []


def test_what_came_is_accepted(config: Path) -> None:
    """It is expected from then on; comments and cases that were right stay as they are."""
    file = config.parent / "line.test.yaml"
    file.write_text("# A comment.\n" + CASE.replace("yield: 8", "yield: 9"), encoding="utf-8")
    assert run(config, "test").code == 1
    answer = run(config, "test", "--accept")
    assert (answer.code, answer.problems) == (0, []), answer
    assert run(config, "test").output.splitlines()[-1] == "2 as expected, 0 not"
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# A comment.\n")
    assert "yield: 8" in text
    assert "no order, no run" in text


def test_what_must_never_be_is_not_accepted(config: Path) -> None:
    """It goes on failing, and the file stays as it is but for what is expected."""
    file = config.parent / "line.test.yaml"
    file.write_text(NEVER.replace("CATEGORY", "Uptime").replace("END", "end_time: null"), encoding="utf-8")
    assert run(config, "test", "--accept").code == 1
    assert "never:" in file.read_text(encoding="utf-8")
