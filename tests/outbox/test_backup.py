"""A copy of the outbox in a file: whole, or refused."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.errors import OutboxError
from gateway.model import Record
from gateway.outbox.backup import read_backup, write_backup
from gateway.outbox.entries import Commit
from gateway.outbox.recovery import open_store, restore, restore_folder
from gateway.outbox.store import Outbox
from tests.outbox.floor import Floor


def opened(directory: Path) -> Outbox:
    rows, reports = open_store(directory)
    assert reports == []
    return Outbox(rows)


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    floor, outbox = Floor(), opened(tmp_path / "box")
    run = floor.start()
    records: list[Record] = [run, *(floor.output(run, code=f"Ü {number}") for number in range(20))]
    outbox.commit(Commit(number=1, records=tuple(records), states={run.line: {"": '{"seq": 21}'}}))
    return outbox


def test_a_backup_has_all_rows_and_is_for_its_owner_alone(outbox: Outbox, tmp_path: Path) -> None:
    """What is written is what is read; nobody else can read it; a file that is there is not written over."""
    file = tmp_path / "copy"
    rows = dict(outbox.rows())
    assert write_backup(outbox, file) == len(rows)
    assert dict(read_backup(file)) == rows
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutboxError, match="File exists"):
        write_backup(outbox, file)
    assert dict(read_backup(file)) == rows
    outbox.close()


def test_a_backup_that_was_put_back_is_the_outbox(outbox: Outbox, tmp_path: Path) -> None:
    """What is there before is set aside; into a directory without an outbox it goes as well."""
    write_backup(outbox, tmp_path / "copy")
    rows = dict(outbox.rows())
    outbox.commit(Commit(number=2, records=(Floor(2_000_000).start(),)))
    with pytest.raises(OutboxError, match="in use"):
        restore(tmp_path / "box", lambda: read_backup(tmp_path / "copy"), 0.0)
    outbox.close()
    aside = restore(tmp_path / "box", lambda: read_backup(tmp_path / "copy"), 0.0)
    assert aside == "outbox-replaced-1970-01-01T00-00-00"
    assert (tmp_path / "box" / aside).is_dir()
    assert restore(tmp_path / "new", lambda: read_backup(tmp_path / "copy"), 0.0) is None
    for directory in ("box", "new"):
        restored = opened(tmp_path / directory)
        assert dict(restored.rows()) == rows
        restored.close()


@pytest.mark.parametrize("what", ["cut", "altered", "a row gone", "a row more", "not a backup", "empty"])
def test_a_backup_that_is_not_as_it_was_written_changes_nothing(outbox: Outbox, what: str, tmp_path: Path) -> None:
    """It is refused, and the outbox stays."""
    file = tmp_path / "copy"
    write_backup(outbox, file)
    rows = dict(outbox.rows())
    outbox.close()
    lines = file.read_bytes().splitlines(keepends=True)
    changed = {
        "cut": b"".join(lines)[:-30],
        "altered": b"".join(lines).replace(b'\\"scrap\\":1', b'\\"scrap\\":2', 1),
        "a row gone": b"".join([*lines[:3], *lines[4:]]),
        "a row more": b"".join([*lines[:3], lines[3], *lines[3:]]),
        "not a backup": b'{"something": "else"}\n',
        "empty": b"",
    }[what]
    assert changed != b"".join(lines)
    file.write_bytes(changed)
    with pytest.raises(OutboxError, match="copy is n"):
        restore(tmp_path / "box", lambda: read_backup(file), 0.0)
    restored = opened(tmp_path / "box")
    assert dict(restored.rows()) == rows
    restored.close()


def test_a_backup_that_cannot_be_written_says_why(outbox: Outbox, tmp_path: Path) -> None:
    """With the file's name."""
    with pytest.raises(OutboxError, match=r"nowhere/copy cannot be written: No such file"):
        write_backup(outbox, tmp_path / "nowhere" / "copy")
    outbox.close()


def test_p7_what_a_stopped_restore_has_left_keeps_no_gateway_from_starting(open_folder: Path) -> None:
    """Root puts a backup back, and is stopped in the midst of it: the gateway's user removes what is left."""
    box, read = open_folder / "box", 0
    outbox = opened(box)
    rows = dict(outbox.rows())
    outbox.close()
    if os.geteuid() == 0:
        for path in (box, *box.rglob("*")):
            os.chown(path, 65534, 65534)

    def stopped() -> Iterator[tuple[str, str]]:
        nonlocal read
        read += 1
        yield from rows.items()
        if read == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutboxError, match="No space left"):
        restore(box, stopped, 0.0)
    assert (box / "outbox-building").exists()
    with as_owner(box):
        outbox = opened(box)
    assert dict(outbox.rows()).keys() == rows.keys()
    outbox.close()
    assert not (box / "outbox-building").exists()


def others(path: Path) -> Path:
    """Something that the gateway's user may not remove: root's or, where root cannot be acted, of a mode that forbids
    it."""
    path.mkdir(mode=0o700)
    (path / "cache.db").touch()
    if os.geteuid() != 0:
        path.chmod(0)
    return path


@pytest.mark.parametrize("name", ["outbox-building", "outbox-copies", "outbox-copying", "outbox-old", "outbox-ready"])
def test_p7_what_another_user_has_left_keeps_no_gateway_from_starting(
    name: str, open_folder: Path, log: list[EventDict]
) -> None:
    """It is moved out of the way of what needs the name, and the log says with each start what removes it, until
    somebody has."""
    box = open_folder / "the box"
    opened(box).close()
    if os.geteuid() == 0:
        for path in (box, *box.rglob("*")):
            os.chown(path, 65534, 65534)
    others(box / name)
    others(box / "outbox-leftover-1")
    for _ in range(2):
        with as_owner(box):
            opened(box).close()
        assert {path.name for path in box.iterdir()} == {"lock", "outbox", "outbox-leftover-1", "outbox-leftover-2"}
        said = [line["remove"] for line in log if line["event"] == "leftover_not_removed"]
        assert {*said} == {f"sudo rm -r '{box}/outbox-leftover-{number}'" for number in (1, 2)}
        log.clear()
    for command in said:
        for path in box.glob("outbox-leftover-*"):
            path.chmod(0o700)
        subprocess.run(["sh", "-c", command.removeprefix("sudo ")], check=True)
    with as_owner(box):
        opened(box).close()
    assert ({path.name for path in box.iterdir()}, log) == ({"lock", "outbox"}, [])


def test_a_lock_of_another_user_is_said_with_its_owner(open_folder: Path) -> None:
    """It may be held, so nobody takes it away."""
    box = open_folder / "box"
    opened(box).close()
    if os.geteuid() != 0:
        (box / "lock").chmod(0)
    else:
        os.chown(box, 65534, 65534)
        (box / "lock").chmod(0o600)
    with as_owner(box), pytest.raises(OutboxError, match=r"Permission denied") as refused:
        opened(box)
    assert os.geteuid() != 0 or f"{box}/lock belongs to root (uid 0), and the gateway runs as " in str(refused.value)


def test_folders_of_what_was_replaced_are_bounded(tmp_path: Path) -> None:
    """The newest five are kept, the last one in any case: the clock may have been wrong before."""
    opened(box := tmp_path / "box").close()
    for number in range(8):
        aside = restore(box, lambda: iter(()), 1e9 + number)
    assert max(path.name for path in box.glob("outbox-replaced-*")) == aside
    assert len(list(box.glob("outbox-replaced-*"))) == 5
    aside = restore(box, lambda: iter(()), 0.0)
    kept = sorted(path.name for path in box.glob("outbox-replaced-*"))
    assert (kept[0], len(kept)) == (aside, 5)
    assert restore_folder(box, box / kept[1], 2e9) == "outbox-replaced-2033-05-18T03-33-20"
    opened(box).close()


@contextmanager
def as_owner(directory: Path) -> Iterator[None]:
    user = os.geteuid()
    os.seteuid(directory.stat().st_uid)
    try:
        yield
    finally:
        os.seteuid(user)
