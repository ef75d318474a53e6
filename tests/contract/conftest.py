"""One walk through the API for all tests, and its counts at the end."""

import pytest

from tests.contract.walk import Walk, walk

COUNTS = pytest.StashKey[Walk]()


@pytest.fixture(scope="session")
def walked(request: pytest.FixtureRequest) -> Walk:
    """The walk; what it covered is printed when the tests are over."""
    made = walk()
    request.config.stash[COUNTS] = made
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was covered."""
    made = config.stash.get(COUNTS, None)
    if made is not None:
        terminalreporter.write_line(f"Oden's document: {made.told()}")
