"""What holds for all tests: they may run beside each other on a busy machine, so none fails because a step was slow.
Made examples are the same in each run, so that a change is what fails; where ODEN_LAWS asks for more they are new ones.

How those ended that carry the number of a promise in their names is kept for `make promises`.
"""

import logging
import os
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.mapping.laws import Tally
from tests.promises import Result, note, promises

settings.register_profile(
    "any machine",
    deadline=None,
    derandomize="ODEN_LAWS" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))  # as the service, by default


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes run the tests, only the one that has started them is told how all of them ended."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Keeper())
    if "ODEN_LAWS" in os.environ:
        config.pluginmanager.register(Tally())


class _Keeper:
    """Keeps how the tests end that carry the number of a promise."""

    def __init__(self) -> None:
        self._ended: dict[str, Result] = {}
        self._files: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.partition("[")[0]
        self._files.add(test.partition("::")[0])
        if promises(test.rpartition("::")[2]) and (report.when == "call" or report.outcome != "passed"):
            self._ended[report.nodeid] = Result(report.outcome, datetime.now(UTC).isoformat(timespec="seconds"))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """What files that were run whole said before is out of date: a case may have gone, or have another name."""
        option, ended = session.config.option, (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        chosen = option.keyword or option.markexpr or option.lf or option.maxfail or option.deselect
        in_part = chosen or any("::" in argument for argument in session.config.args)
        if self._ended:
            note(self._ended, set() if in_part or exitstatus not in ended else self._files)
