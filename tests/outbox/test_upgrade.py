"""The store of an earlier format stays beside the one that was made of it, until this version has delivered."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.errors import OutboxError
from gateway.outbox.recovery import open_store, restore_folder
from gateway.outbox.salvage import inspect
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox
from tests.outbox.floor import Floor, Oden, begun, commit, deliver, work_in
from tests.outbox.test_migrate import format_1
from tests.outbox.test_power_loss import format_2, library_rows

KEPT = "outbox-of-format-2"


def opened(box: Path) -> Outbox:
    return open_outbox(box, limit=2**30, min_free=0.0, span=60.0)


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def folders(box: Path) -> set[str]:
    return {path.name for path in box.iterdir() if path.is_dir()}


def test_the_earlier_store_is_kept_until_oden_has_a_record(tmp_path: Path, log: list[EventDict]) -> None:
    """Through commits, restarts and answers that deliver nothing; where it is and how to go back is said once, and once
    that it is gone."""
    format_2(tmp_path)
    before = library_rows(tmp_path / "outbox")
    outbox = opened(tmp_path)
    (said,) = [line for line in log if line["event"].startswith("outbox_kept")]
    kept = tmp_path / KEPT
    assert (said["event"], said["folder"], said["format"]) == ("outbox_kept", str(kept), "2")
    assert f"oden-gateway outbox restore {kept}" in said["go_back"]
    outbox.close()
    outbox = opened(tmp_path)
    commit(outbox, run := Floor(2_000_000, 1_000).start())
    work = begun(outbox, work_in(outbox, "products"), "in_doubt")
    outbox.settle(work, {}, {work.positions[0]: "400: no such product"}, 51.0)
    assert library_rows(kept) == before
    deliver(outbox, Oden(), work_in(outbox, "runs", run.line))
    assert folders(tmp_path) == {"outbox"}
    events = [line["event"] for line in log if line["event"].startswith("outbox_")]
    assert events == ["outbox_kept", "outbox_kept_removed"]
    outbox.close()


def test_a_store_of_the_present_format_is_not_copied(tmp_path: Path, log: list[EventDict]) -> None:
    """Nor is a new one."""
    for _ in range(2):
        opened(tmp_path).close()
        assert folders(tmp_path) == {"outbox"}
    assert [line for line in log if line["event"].startswith("outbox_")] == []


@pytest.mark.parametrize(("written", "version"), [(format_1, "1"), (format_2, "2")])
def test_one_goes_back_to_what_the_earlier_version_has_left(
    tmp_path: Path, written: Callable[[Path], object], version: str
) -> None:
    """Whatever was taken in since: that is set aside. The earlier version finds its own store, and a later upgrade
    keeps it anew; what was set aside can be put back, too."""
    written(tmp_path)
    before = library_rows(tmp_path / "outbox")
    outbox = opened(tmp_path)
    commit(outbox, Floor(2_000_000, 1_000).start())
    rows = dict(outbox.rows())
    outbox.close()
    kept = tmp_path / f"outbox-of-format-{version}"
    aside = restore_folder(tmp_path, kept, 0.0)
    assert aside == "outbox-replaced-1970-01-01T00-00-00"
    assert library_rows(tmp_path / "outbox") == before
    assert folders(tmp_path) == {"outbox", aside}
    opened(tmp_path).close()
    assert library_rows(kept) == before
    assert restore_folder(tmp_path, tmp_path / aside, 1.0) == "outbox-replaced-1970-01-01T00-00-01"
    outbox = opened(tmp_path)
    assert dict(outbox.rows()) == rows
    outbox.close()


def test_what_the_earlier_version_has_left_last_is_what_is_kept(tmp_path: Path) -> None:
    """A copy of an upgrade before is of no use, once the earlier version has gone on."""
    format_2(tmp_path)
    (tmp_path / KEPT).mkdir()
    (tmp_path / KEPT / "cache.db").write_bytes(b"of another time")
    before = library_rows(tmp_path / "outbox")
    opened(tmp_path).close()
    assert library_rows(tmp_path / KEPT) == before


def test_a_store_that_was_begun_on_is_never_what_is_kept(tmp_path: Path) -> None:
    """Half of it is of the present format: the copy from before that stays, and without one there is none."""
    format_2(tmp_path)
    whole = library_rows(tmp_path / "outbox")
    opened(tmp_path).close()
    assert inspect(tmp_path / KEPT) == ("2", None, False)
    for copied in (True, False):
        # What a crash in the midst of it leaves: its tables are there, and the format is yet the earlier one.
        box = tmp_path / str(copied)
        format_2(box)
        if copied:
            (tmp_path / KEPT).rename(box / KEPT)
        with closing(sqlite3.connect(box / "outbox" / "cache.db")) as connection:
            connection.execute("CREATE TABLE Rows (place INTEGER PRIMARY KEY, key TEXT NOT NULL, value)")
        opened(box).close()
        assert folders(box) == {"outbox", *([KEPT] if copied else [])}
        assert not copied or library_rows(box / KEPT) == whole


@pytest.mark.parametrize("limit", ["room", "share", "disk"])
def test_p6_without_room_for_the_copy_the_gateway_goes_on_without(
    tmp_path: Path, log: list[EventDict], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """It says so; what waits is brought to the present format all the same; no half of a copy stays. Room is what is
    left beside the reserve and beside the share of the disk below which nothing is taken in."""
    format_2(tmp_path)
    (keys, size) = {key for key, _ in library_rows(tmp_path / "outbox")}, (tmp_path / "outbox/cache.db").stat().st_size
    free = {"room": 2 * size + 2 * 2**20 - 1, "share": 2 * size + 2**29 - 1, "disk": 2**29}[limit]
    least = 0.5 if limit == "share" else 0.0
    disk = SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=2**30, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    if limit == "disk":

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("gateway.outbox.upgrade.os.pwrite", full)
    rows, reports = open_store(tmp_path, min_free=least, ballast=2**20)
    monkeypatch.undo()
    assert ({key for key, _ in rows.items()} >= keys, reports) == (True, [])
    rows.close()
    assert folders(tmp_path) == {"outbox"}
    (said,) = [line for line in log if line["event"] == "outbox_not_kept"]
    assert said["log_level"] == "warning"
    assert ("No space left" in said["reason"]) == (limit == "disk")


def test_with_just_enough_room_there_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte more than in the test above."""
    format_2(tmp_path)
    size = (tmp_path / "outbox/cache.db").stat().st_size
    disk = SimpleNamespace(f_bavail=2 * size + 2 * 2**20, f_frsize=1, f_blocks=2**30, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    open_store(tmp_path, min_free=0.0, ballast=2**20)[0].close()
    assert folders(tmp_path) == {"outbox", KEPT}


def test_what_is_no_whole_store_of_this_directory_is_not_put_back(tmp_path: Path) -> None:
    """A folder from elsewhere, one without a store, a damaged one: all stays as it is."""
    box, other = tmp_path / "box", tmp_path / "other"
    format_2(other)
    outbox = opened(box)
    with pytest.raises(OutboxError, match="in use"):
        restore_folder(box, box / "outbox", 0.0)
    outbox.close()
    (box / "empty").mkdir()
    (box / "broken").mkdir()
    (box / "broken" / "cache.db").write_bytes(b"x" * 8192)
    for folder, reason in ((other / "outbox", "is not in"), (box / "empty", "missing"), (box / "broken", "whole: ")):
        with pytest.raises(OutboxError, match=reason):
            restore_folder(box, folder, 0.0)
    assert folders(box) == {"outbox", "empty", "broken"}
    opened(box).close()
