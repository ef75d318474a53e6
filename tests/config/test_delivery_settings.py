"""What may be said of the rate to Oden and of the outbox, read from files."""

from pathlib import Path

import pytest

from gateway.config.loader import load
from gateway.config.schema import Config
from tests.config.command import GOOD, TOKEN, written


def read(folder: Path, oden: str = "", outbox: str = "", **variables: str) -> Config:
    """The good file with more in two of its sections."""
    text = GOOD.replace("oden:\n", f"oden:\n{oden}")
    if outbox:
        text = text.replace("sources:", f"outbox: {{{outbox}}}\nsources:")
    return load(written(folder, text), {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN} | variables).config


def test_what_holds_when_nothing_is_said(tmp_path: Path) -> None:
    """Oden's own rate, room for an edge box, and the order that keeps Oden current."""
    config = read(tmp_path / "c")
    outbox = config.outbox
    assert (config.oden.rate, config.oden.allow_faster_for_tests) == (1.0, False)
    assert (outbox.size_limit, outbox.min_free, outbox.merge_span) == (2 * 2**30, 0.05, 900.0)
    assert (outbox.backlog, outbox.ends) == ("after_live", "auto")


@pytest.mark.parametrize(
    ("text", "rate"), [("1/s", 1.0), ("0.2/s", 0.2), ("12/m", 0.2), ("60/m", 1.0), ("3600/h", 1.0), ("86400/d", 1.0)]
)
def test_p3_a_rate_within_odens(tmp_path: Path, text: str, rate: float) -> None:
    """By the second, minute, hour or day; exactly one per second is permitted however it is written."""
    assert read(tmp_path / "c", f"  rate: {text}\n").oden.rate == rate


def test_p3_a_faster_rate_needs_leave(tmp_path: Path) -> None:
    """With the setting for test servers, in either order of the two keys, from the file or the environment."""
    leave, rate = "  allow_faster_for_tests: true\n", "  rate: 20/s\n"
    assert read(tmp_path / "a", leave + rate).oden.rate == 20.0
    assert read(tmp_path / "b", rate + leave).oden.rate == 20.0
    assert read(tmp_path / "c", rate, ODEN_GATEWAY_ODEN__ALLOW_FASTER_FOR_TESTS="true").oden.rate == 20.0


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("2GiB", 2 * 2**30), ("500MB", 5 * 10**8), ("1.5 TB", 15 * 10**11), ("20000 kB", 2 * 10**7)],
)
def test_sizes(tmp_path: Path, text: str, size: int) -> None:
    """Decimal and binary units, with or without a space."""
    assert read(tmp_path / "c", outbox=f"size_limit: {text}").outbox.size_limit == size


def test_the_outbox_as_somebody_may_want_it(tmp_path: Path) -> None:
    """Every key of the section at once."""
    outbox = read(
        tmp_path / "c", outbox="min_free: 12.5 %, merge_span: 1s, backlog: in_order, ends: before_next"
    ).outbox
    assert (outbox.min_free, outbox.merge_span) == (0.125, 1.0)
    assert (outbox.backlog, outbox.ends) == ("in_order", "before_next")
