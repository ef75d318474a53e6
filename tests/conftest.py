"""What holds for all tests: they may run beside each other on a busy machine, so none fails because a step was slow,
nor because of what another, which failed, has left open. Made examples are the same in each run, so that a change is
what fails; where ODEN_LAWS asks for more they are new ones.

How those ended that carry the number of a promise in their names is kept for `make promises`.
"""

import gc
import logging
import os
import sys
import warnings
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

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
SLOWEST = (
    "tests/campaign/test_real.py",
    "tests/bursts/test_bursts.py",
    "tests/demo/test_demo.py",
    "tests/demo/test_plant_server.py",
    "tests/test_clock_set.py",
    "tests/test_secrets.py",
    "tests/test_whole_path.py",
    "tests/test_machines_path.py",
    "tests/live/test_check_live.py",
    "tests/live/test_check_live_peers.py",
    "tests/live/test_tail.py",
    "tests/test_situations.py",
)
"""Files of tests that each wait long for what takes its time by the clock. They begin first: none is to be alone at the
end, when the other processes that run tests have nothing left to do."""

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))  # as the service, by default


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes run the tests, only the one that has started them is told how all of them ended."""
    config.pluginmanager.register(_Leftovers())
    config.pluginmanager.register(_Log())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Keeper())
    if "ODEN_LAWS" in os.environ:
        config.pluginmanager.register(Tally())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All others keep their order."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in SLOWEST)


class _Leftovers:
    """Throws away what a test that failed has left open, once nothing holds it any more: else the complaints of what
    was never closed would come in the midst of some other test. What tests of a module share is held until its end."""

    def __init__(self) -> None:
        self._failed: set[Path] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        before = item.session.testsfailed
        result = yield
        failed = item.session.testsfailed > before
        if failed:
            self._failed.add(item.path)
        over = nextitem is None or nextitem.path != item.path
        if failed or (over and item.path in self._failed):
            _throw_away()
        return result


def _throw_away() -> None:
    """Collect garbage without a word, with the frames of the last failure, which pytest keeps for a debugger."""
    sys.last_value = sys.last_traceback = None
    told, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        sys.unraisablehook = told


class _Log:
    """Puts the log back after a test that has run a command within itself, which configures it for good: loggers that
    were used since would pass over what a later test captures."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        before = structlog.get_config()
        result = yield
        if structlog.get_config() != before:
            structlog.configure(**before)
            for name, module in list(sys.modules.items()):
                log = vars(module).get("log") if name.startswith("gateway") else None
                getattr(log, "__dict__", {}).pop("bind", None)  # what it was bound to at first use
        return result


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
        chosen = option.keyword or option.markexpr or getattr(option, "lf", False) or option.maxfail or option.deselect
        in_part = chosen or any("::" in argument for argument in session.config.args)
        if self._ended:
            note(self._ended, set() if in_part or exitstatus not in ended else self._files)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter: other runs of tests close those that pytest makes whenever they begin."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
