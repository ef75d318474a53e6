"""How many made plants each law of mapping is tried on; and what `make laws` says of that at its end."""

import os
from collections.abc import Generator
from dataclasses import dataclass
from functools import wraps

import pytest
from hypothesis import settings

TIMES = int(os.environ.get("ODEN_LAWS", "1"))
"""How many times as many as usual; `make laws` tries 25 times as many."""
PIECES = range(TIMES)
"""The pieces in which the law of laws is tried, so that none takes long."""


def examples(number: int) -> settings:
    """So many, or `TIMES` as many."""
    return settings(max_examples=number * TIMES)


def of_piece(usual: int, of_laws: int) -> settings:
    """So many of a piece: the `usual` number where there is only one."""
    return settings(max_examples=usual if TIMES == 1 else of_laws)


@dataclass(slots=True)
class Tried:
    """What was tried of a file's tests: made plants, tests that failed, and the seconds that it took."""

    plants: int = 0
    failed: int = 0
    seconds: float = 0.0


class Tally:
    """Counts the made plants that tests are tried on, and says of each file how many they were, what failed and how
    long it took. One that fails is tried more often, until it is a small one. A test without made plants is one."""

    def __init__(self) -> None:
        self.tried: dict[str, Tried] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """In the process that runs the test."""
        number, made = 0, getattr(getattr(item, "obj", None), "hypothesis", None)
        if made is None:
            item.user_properties.append(("plants", 1))
            return (yield)
        inner = made.inner_test

        @wraps(inner)
        def counted(*given: object, **named: object) -> object:
            nonlocal number
            number += 1
            return inner(*given, **named)

        made.inner_test = counted
        try:
            return (yield)
        finally:
            made.inner_test = inner
            item.user_properties.append(("plants", number))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In the process that all others report to."""
        tried = self.tried.setdefault(report.nodeid.partition("::")[0], Tried())
        tried.failed += report.failed
        if report.when == "call":
            tried.seconds += report.duration
            tried.plants += sum(int(str(number)) for name, number in report.user_properties if name == "plants")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What was tried, a file a line."""
        terminalreporter.section("laws")
        for file, tried in sorted(self.tried.items()):
            terminalreporter.line(
                f"{file:50s} {tried.plants:7,d} plants, {tried.failed} tests failed, {tried.seconds:.0f} s"
            )
