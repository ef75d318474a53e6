"""The end of the log: it never raises, and never waits."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.log_sink import MOST_WAITING, LogStream, fail_safe, lost_lines
from tests.peers import wait_for


@pytest.fixture(autouse=True)
def no_lines_lost() -> None:
    lost_lines.count = 0


def test_lines_are_written_in_order(tmp_path: Path) -> None:
    """All of them, by the time that the stream has ended."""
    with (tmp_path / "log").open("w") as file:
        stream = LogStream(file)
        for number in range(1_000):
            stream.write(f"{number}\n")
        stream.end()
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(1_000)]
    assert lost_lines.count == 0


class FullPipe(io.StringIO):
    """What is written waits until somebody reads; then its reader is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait()
        raise BrokenPipeError(32, "Broken pipe")


def test_p9_a_log_that_nobody_reads_holds_up_nothing() -> None:
    """Lines that find no room in the queue are counted, and so are those whose reader has gone."""
    pipe = FullPipe()
    stream = LogStream(pipe)
    for number in range(2 * MOST_WAITING):
        stream.write(f"{number}\n")
    assert lost_lines.count >= MOST_WAITING - 1
    assert lost_lines.reason == "nobody reads it"
    pipe.released.set()
    wait_for(lambda: lost_lines.count == 2 * MOST_WAITING)
    assert "Broken pipe" in lost_lines.reason


def test_p9_what_cannot_be_rendered_is_counted() -> None:
    """A value that raises when it is shown costs its line, not the task that logs it."""

    class Odd:
        def __repr__(self) -> str:
            raise ValueError("odd")

    logger: Any = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[structlog.processors.JSONRenderer()],
        wrapper_class=fail_safe(structlog.make_filtering_bound_logger(20)),
    )
    logger.info("event", value=Odd())
    logger.bind(value=Odd()).warning("event")
    assert (lost_lines.count, lost_lines.reason) == (2, "odd")
