"""The promises of the gateway, the tests that carry their numbers in their names, and how each of these ended last.

A test's name tells what it proves: `test_p2_p4_…` stands for P2 and P4. Each test run notes how such tests ended in
RESULTS (the hooks are in `conftest.py`), beside what earlier runs have noted. `python -m tests.promises` prints it all.
"""

import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / ".test-results.json"

PROMISES = {
    1: "An MQTT message is acknowledged only after what it caused is on disk",
    2: "Reconnects, retained messages, redeliveries and restarts make nothing happen twice, and a gap is told as one",
    3: "No two requests are written to Oden less than a second apart, and under backlog no slot is left unused",
    4: "Every interval exists once at Oden and every total is exact, whatever was cut, killed, lost or copied back",
    5: "A record that Oden refuses stops only what depends on it",
    6: "Nothing accepted is dropped in silence, also when the disk or the outbox is full",
    7: "It starts, whatever it finds on its disk, or says exactly why not",
    8: "A refused token makes no dead letters, and no secret is ever shown",
    9: "It never dies in silence: what is stuck, lost or quiet is noticed, shown and recovered",
    10: "A wrong configuration never runs, and is told with its place and what would be right",
    11: "Wrong clocks are noticed: those of PLCs, and that of the machine",
    12: "Every queue, buffer, cache and file has a limit, and memory does not grow with the backlog",
    13: "The same history of the plant gives the same at Oden, in whatever order and grouping it arrives",
    14: "At the plant nothing is written, called or acknowledged",
}

NEVER = "never run"

_NUMBERS = re.compile(r"test_((?:p\d+_)+)")


def promises(name: str) -> tuple[int, ...]:
    """The numbers that the name of a test carries."""
    match = _NUMBERS.match(name)
    return () if match is None else tuple(int(part.removeprefix("p")) for part in match[1].split("_") if part)


@dataclass(frozen=True, slots=True)
class Result:
    """How one case of a test ended: `passed`, `failed` or `skipped`; `at` in ISO 8601."""

    outcome: str
    at: str


@dataclass(frozen=True, slots=True)
class NamedTest:
    """A test function, by pytest's id without the values of its parameters."""

    id: str
    promises: tuple[int, ...]


def tests() -> Iterator[NamedTest]:
    """All tests that carry a number, as they stand in the files."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        file = path.relative_to(ROOT).as_posix()
        for node, owner in _functions(ast.parse(path.read_text(encoding="utf-8"))):
            numbers = promises(node.name)
            if numbers:
                yield NamedTest("::".join([file, *owner, node.name]), numbers)


def _functions(module: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[str]]]:
    for node in module.body:
        members = [(member, [node.name]) for member in node.body] if isinstance(node, ast.ClassDef) else [(node, [])]
        for member, owner in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                yield member, owner


def read() -> dict[str, Result]:
    """What earlier runs have noted, by pytest's id; empty where none has, or where the file is not understood."""
    try:
        return {name: Result(**result) for name, result in json.loads(RESULTS.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def note(fresh: Mapping[str, Result], whole_files: set[str]) -> None:
    """Keep `fresh` beside what earlier runs have noted; of `whole_files`, which were run as a whole, nothing else."""
    earlier = {name: result for name, result in read().items() if name.partition("::")[0] not in whole_files}
    written = RESULTS.with_name(f"{RESULTS.name}.{os.getpid()}")
    together = dict(sorted({**earlier, **fresh}.items()))
    written.write_text(json.dumps({name: asdict(result) for name, result in together.items()}, indent=0))
    written.replace(RESULTS)


def _of(test: NamedTest, results: Mapping[str, Result]) -> str:
    """How the cases of `test` ended last, in words."""
    cases = [result for name, result in results.items() if name.partition("[")[0] == test.id]
    if not cases:
        return NEVER
    outcomes = Counter(case.outcome for case in cases)
    latest = datetime.fromisoformat(max(case.at for case in cases)).astimezone()
    if len(cases) == 1:
        said = cases[0].outcome
    else:
        said = ", ".join(f"{outcomes[name]} {name}" for name in ("failed", "skipped", "passed") if outcomes[name])
    return f"{said}, {latest:%Y-%m-%d %H:%M}"


def told(all_tests: Sequence[NamedTest], results: Mapping[str, Result]) -> Iterator[str]:
    """Each promise with its tests and how they ended last, and the sum of it, line by line."""
    for number, title in PROMISES.items():
        yield f"P{number}  {title}"
        proving = [test for test in all_tests if number in test.promises]
        for test in proving:
            yield f"    {_of(test, results):<34} {test.id.removeprefix('tests/')}"
        if not proving:
            yield "    no test yet"
        yield ""
    named = {test.id for test in all_tests}
    outcomes = Counter(result.outcome for name, result in results.items() if name.partition("[")[0] in named)
    never = sum(_of(test, results) == NEVER for test in all_tests)
    cases = [f"{count} {outcome}" for outcome, count in sorted(outcomes.items())]
    yield f"{len(named)} tests, {never} of them never run; cases: {', '.join(cases) or 'none'}"


def main() -> int:
    """Print it; 1 where a test has failed, or where a name carries a number that no promise has."""
    results, all_tests = read(), list(tests())
    unknown = [test.id for test in all_tests if not PROMISES.keys() >= set(test.promises)]
    lines = [*told(all_tests, results), *(f"There is no such promise: {name}" for name in unknown)]
    sys.stdout.write("\n".join(lines) + "\n")
    named = {test.id for test in all_tests}
    failed = any(result.outcome == "failed" for name, result in results.items() if name.partition("[")[0] in named)
    return 1 if unknown or failed else 0


if __name__ == "__main__":
    sys.exit(main())
