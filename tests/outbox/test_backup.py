"""A copy of the outbox in a file: whole, or refused."""

from pathlib import Path

import pytest

from gateway.errors import OutboxError
from gateway.model import Record
from gateway.outbox.backup import read_backup, write_backup
from gateway.outbox.entries import Commit
from gateway.outbox.recovery import open_store, restore
from gateway.outbox.store import Outbox
from tests.outbox.floor import Floor


def opened(directory: Path) -> Outbox:
    rows, reports = open_store(directory)
    assert reports == []
    return Outbox(rows)


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
