"""KeyValueStore on a real disk: full, broken, somebody else's, or altered behind their back."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.errors import DamagedRow, OutboxError
from gateway.outbox.directory import reserve
from gateway.outbox.recovery import open_store
from gateway.outbox.sqlite_store import SqliteStore
from tests.peers import PATIENCE

MIB = 2**20


def children(code: str, *arguments: object, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own, under another program where one is named."""
    command = [*under, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_the_settings_are_safe(tmp_path: Path) -> None:
    """Every commit is synced, nothing is evicted, mapped, pickled or put into a file beside the database."""
    rows = SqliteStore(tmp_path / "rows")
    rows.apply({"big": "x" * 100_000})
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {
        "cache.db",
        "cache.db-wal",
        "cache.db-shm",
        "in-use",
    }
    cache = rows._database
    assert [cache.number(pragma) for pragma in ("synchronous", "mmap_size", "auto_vacuum")] == [2, 0, 2]
    assert (cache.reset("eviction_policy"), cache.reset("cull_limit")) == ("none", 0)
    with pytest.raises(TypeError, match="stores text only, not dict"):
        cache.set("key", {"not": "text"})
    rows.close()
    assert {path.name for path in (tmp_path / "rows").iterdir()} == {"cache.db"}


def test_the_folder_is_private(tmp_path: Path) -> None:
    """Nobody but the owner can read what waits."""
    rows, _ = open_store(tmp_path / "box")
    assert stat.S_IMODE((tmp_path / "box").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "box" / "outbox").stat().st_mode) == 0o700
    rows.close()


@pytest.mark.parametrize(
    "change",
    [
        "value = CAST(X'30' || value AS TEXT)",
        "value = CAST(replace(CAST(value AS BLOB), X'31', X'FF') AS TEXT)",
        "value = NULL",
        "value = 7",
    ],
)
def test_p7_an_altered_value_is_found_when_it_is_read(tmp_path: Path, change: str) -> None:
    """`get` and `items` name the row whose value is not what was written, whatever it is now; the others can be
    read."""
    rows = SqliteStore(tmp_path / "rows")
    rows.apply({"a": "1", "b/1": "text 1", "c": "3"})
    rows.close()  # which puts them in place
    rows = SqliteStore(tmp_path / "rows")
    with closing(sqlite3.connect(tmp_path / "rows" / "cache.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE Rows SET {change} WHERE key = 'b/1'")  # noqa: S608 - of this test
    with pytest.raises(DamagedRow, match="the row b/1 of the outbox"):
        rows.get("b/1")
    with pytest.raises(DamagedRow, match="the row b/1 of the outbox"):
        list(rows.items())
    assert rows.get("c") == "3"
    rows.close()


def test_p7_an_altered_key_is_found(tmp_path: Path) -> None:
    """A row whose key was altered is named by what its key is now."""
    rows = SqliteStore(tmp_path / "rows")
    rows.apply({"a": "1", "record/L/1": "2"})
    rows.close()  # which puts them in place
    rows = SqliteStore(tmp_path / "rows")
    with closing(sqlite3.connect(tmp_path / "rows" / "cache.db", isolation_level=None)) as connection:
        connection.execute("UPDATE Rows SET key = 'record/L/3' WHERE key = 'record/L/1'")
    with pytest.raises(DamagedRow, match="the row record/L/3"):
        list(rows.items())
    rows.close()


def test_p12_space_goes_back_to_the_disk(tmp_path: Path) -> None:
    """After a large backlog is gone, the file becomes small again, a little with every change."""
    rows = SqliteStore(tmp_path / "rows")
    keys = [f"record/L/{number}" for number in range(400)]
    rows.apply(dict.fromkeys(keys, "x" * 100000))
    for first in range(0, 400, 50):
        rows.apply({}, keys[first : first + 50])
    for number in range(600):
        rows.apply({"line/L": str(number)})
    rows.close()
    assert (tmp_path / "rows" / "cache.db").stat().st_size < 12 * MIB


def test_p6_the_share_of_free_disk_is_watched(tmp_path: Path) -> None:
    """With less free than asked for, `full` says both shares."""
    rows = SqliteStore(tmp_path / "rows", min_free=1.0)
    assert (rows.full() or "").endswith(
        "% of the disk of " + str(tmp_path / "rows") + " are free, and 100.0% shall stay free"
    )
    rows.close()
    rows = SqliteStore(tmp_path / "rows", min_free=0.000001)
    assert rows.full() is None
    rows.close()


def test_the_ballast_is_real(tmp_path: Path) -> None:
    """The ballast takes its bytes on the disk, no holes; of another size, or with holes, it is made anew."""
    path = tmp_path / "rows" / "ballast"
    SqliteStore(tmp_path / "rows", ballast=MIB).close()
    assert (path.stat().st_size, path.stat().st_blocks * 512 >= MIB) == (MIB, True)
    with path.open("wb") as file:
        file.truncate(2 * MIB)
    assert path.stat().st_blocks * 512 < MIB
    SqliteStore(tmp_path / "rows", ballast=2 * MIB).close()
    assert path.stat().st_blocks * 512 >= 2 * MIB


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """A directory on a disk of `size` bytes, and the program under which a child has to run to see it.

    A file system in memory that only the child sees, where this user may mount one; else what shared memory has left,
    made as small as `size`, which containers keep small.
    """
    mount = ("sh", "-c", f'mount -t tmpfs -o size={size} none "{place}" && exec "$@"', "sh")
    for program in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        if not subprocess.run([*program, *mount, "true"], capture_output=True, check=False).returncode:
            yield place, (*program, *mount)
            return
    shared = Path("/dev/shm") / f"oden-gateway-{os.getpid()}"
    shared.mkdir()
    left = os.statvfs(shared).f_bavail * os.statvfs(shared).f_frsize
    assert left < 2**30, "neither may this user mount a small disk, nor is shared memory small"
    try:
        with (shared / "taken").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, left - size)
        yield shared / "disk", ()
    finally:
        for path in sorted(shared.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        shared.rmdir()


DRAINING = """
import os, sys
from pathlib import Path
from gateway.errors import OutboxFull
from gateway.outbox.recovery import open_store
place = Path(sys.argv[1])
rows, damage = open_store(place / "box", ballast=8 * 2**20)
ballast = place / "box" / "outbox" / "ballast"
assert not damage and ballast.stat().st_blocks * 512 >= 8 * 2**20 and rows.full() is None
stored = 0
while rows.full() is None:  # what intake does: it stops once the outbox is full
    rows.apply({f"record/L/{stored}": "x" * 20_000, "line/L": str(stored)})
    stored += 1
assert "reserve" in rows.full() and not ballast.exists()
print("stored", stored)
other = place / "other"  # another program takes what the ballast has left
with other.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError as error:
        print("disk", error.strerror)
number = 0
while True:
    try:
        rows.apply({f"record/M/{number}": "x" * 20_000, "line/M": str(number)})
        number += 1
    except OutboxFull as error:
        print("refused", "is full" in str(error))
        break
assert rows.get("line/M") == (str(number - 1) if number else None) and rows.get(f"record/M/{number}") is None
other.unlink()
assert sum(key.startswith("record/L/") for key, _ in rows.items()) == stored
delivered = 0
while rows.full() is not None:  # what delivery does
    rows.apply({"line/L": f"{stored} {delivered}"}, [f"record/L/{delivered}"])
    delivered += 1
print("room again", 0 < delivered < stored, ballast.stat().st_blocks * 512 >= 8 * 2**20)
rows.apply({"line/L": "end"})
rows.close()
rows, damage = open_store(place / "box", ballast=8 * 2**20)
assert not damage and rows.get("line/L") == "end"
assert sum(key.startswith("record/L/") for key, _ in rows.items()) == stored - delivered
print("whole")
"""


def test_p6_a_full_disk_can_be_drained(tmp_path: Path) -> None:
    """On a disk that is really full, the change that meets it is made at the ballast's cost and `full` says so; with
    nothing left a change is refused whole; dropping rows goes on; once there is room the ballast is back and `full`
    says nothing."""
    with small_disk(tmp_path, 40 * MIB) as (place, under):
        done = children(DRAINING, place, under=under)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[1:] == ["disk No space left on device", "refused True", "room again True True", "whole"]


START_FULL = """
import sys
import tempfile
from pathlib import Path
from gateway.errors import OutboxError
from gateway.outbox.recovery import open_store
place = Path(sys.argv[1])
if len(sys.argv) > 2:
    open_store(place / "box", ballast=8 * 2**20)[0].close()
with (place / "other").open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 512)
    except OSError:
        pass
try:
    rows, damage = open_store(place / "box", ballast=8 * 2**20)
    print("open", damage, rows.full()[:11])
    rows.apply({"a": "1"}, ["b"])
    print(rows.get("a"))
except OutboxError as error:
    print(error)
"""


def test_p7_the_gateway_starts_on_a_full_disk(tmp_path: Path) -> None:
    """A store with ballast opens on a disk without a free byte, and can be changed; where there is none yet, the disk
    is named."""
    with small_disk(tmp_path, 24 * MIB) as (place, under):
        done = children(START_FULL, place, "with a store", under=under)
        assert done.stdout.splitlines() == ["open [] the disk of", "1"], done.stdout + done.stderr
    with small_disk(tmp_path, 24 * MIB) as (place, under):
        done = children(START_FULL, place, under=under)
        assert "is full" in done.stdout or "No space left on device" in done.stdout, done.stdout + done.stderr


WRITER = """
import sys
import tempfile
from pathlib import Path
from gateway.errors import OutboxError
from gateway.outbox.sqlite_store import SqliteStore
from tests.peers import PATIENCE
rows = SqliteStore(Path(sys.argv[1]), ballast=8 * 2**20)
for number in range(1000):
    try:
        rows.apply({"line/L": str(number), f"record/L/{number}": "x" * 5000})
    except OutboxError as error:
        print(type(error).__name__, number, error)
        break
print(rows.get("line/L"))
"""


@pytest.mark.parametrize(
    ("calls", "fault", "said"),
    [
        ("pwrite64,write", "ENOSPC", "OutboxFull"),
        ("pwrite64,write", "EDQUOT", "OutboxFull"),
        ("pwrite64,write", "EIO", "OutboxError"),
        ("fdatasync,fsync", "EIO", "OutboxError"),
        ("fdatasync,fsync", "EDQUOT", "OutboxFull"),
    ],
)
def test_p6_a_disk_that_fails_is_told_from_a_full_one(tmp_path: Path, calls: str, fault: str, said: str) -> None:
    """Whatever call of the system fails from some time on, the change is refused with the system's own words, and what
    was applied before is there."""
    rows = tmp_path / "rows"
    paths = [word for name in ("cache.db-wal", "cache.db", "trial") for word in ("-P", str(rows / name))]
    # strace looks at the paths of files only when they are there
    SqliteStore(rows).close()
    under = ("strace", "-f", "-o", str(tmp_path / "trace"), *paths, "-e", f"trace={calls}")
    # Each call is counted by itself; the second is the one that tells the reason.
    first, second = calls.split(",")
    under = (*under, "-e", f"inject={first}:error={fault}:when=200+", "-e", f"inject={second}:error={fault}")
    done = children(WRITER, rows, under=under)
    assert done.returncode == 0, done.stderr
    refused, after = done.stdout.splitlines()
    kind, number, sentence = refused.split(" ", 2)
    assert kind == said, refused
    words = {"ENOSPC": "full", "EDQUOT": "Disk quota exceeded", "EIO": "Input/output error"}[fault]
    assert words in sentence
    assert int(after) == int(number) - 1
    reopened = SqliteStore(rows)
    assert int(reopened.get("line/L") or -1) >= int(after)
    reopened.close()


def test_p7_a_second_gateway_is_refused_by_name(tmp_path: Path) -> None:
    """A directory in use is refused with the process that holds it, and free again after a close."""
    rows, _ = open_store(tmp_path)
    with pytest.raises(OutboxError, match=f"in use by another oden-gateway \\(process {os.getpid()}\\)"):
        open_store(tmp_path)
    rows.close()
    open_store(tmp_path)[0].close()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is, and who sees to it is told so."""
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "lock").symlink_to(other)
    with pytest.raises(OutboxError, match="put a link in the place of its file 'lock'"):
        open_store(tmp_path / "box")
    assert other.read_text() == "precious"


def test_p7_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where the directory cannot be made, the error names it and the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match=r"cannot write to the outbox directory .*file/box: Not a directory"):
        open_store(tmp_path / "file" / "box")


@contextmanager
def other_user(path: Path) -> Iterator[int]:
    """Become a user to whom `path` is forbidden, for a while; answers who owns it."""
    if os.geteuid():
        mode = path.stat().st_mode
        path.chmod(0)
        try:
            yield os.geteuid()
        finally:
            path.chmod(mode)
    else:
        os.seteuid(65534)
        try:
            yield 0
        finally:
            os.seteuid(0)


def test_p7_a_directory_of_another_user_says_whose_it_is(open_folder: Path) -> None:
    """A directory, or a single file of the store, that belongs to another user is refused with both users' numbers; it
    is not taken for damage."""
    box = open_folder / "box"
    rows, _ = open_store(box)
    rows.apply({"a": "1"})
    rows.close()
    with other_user(box) as owner, pytest.raises(OutboxError, match="Permission denied") as refused:
        open_store(box)
    if owner != 65534 and os.geteuid() == 0:
        assert "belongs to root (uid 0), and the gateway runs as nobody (uid 65534)" in str(refused.value)
        os.chown(box, 65534, 65534)
        os.chown(box / "lock", 65534, 65534)
        with (
            other_user(box),
            pytest.raises(OutboxError, match=r"outbox: permission denied .* belongs to root \(uid 0\)"),
        ):
            open_store(box)
        os.chown(box / "outbox", 65534, 65534)
        with other_user(box), pytest.raises(OutboxError, match=r"cache\.db: permission denied .* belongs to root"):
            open_store(box)
    assert {path.name for path in box.iterdir()} == {"lock", "outbox"}
    rows, damage = open_store(box)
    assert (rows.get("a"), damage) == ("1", [])
    rows.close()


def test_p7_a_read_only_file_system_is_named(tmp_path: Path) -> None:
    """Where the file system is read-only, the error says that."""
    code = (
        "import sys; from pathlib import Path; from gateway.outbox.recovery import open_store; "
        "open_store(Path(sys.argv[1]))"
    )
    lock = tmp_path / "lock"
    lock.touch()
    under = ("strace", "-f", "-o", "/dev/null", "-P", str(lock), "-e", "inject=openat:error=EROFS")
    done = children(code, tmp_path, under=under)
    assert f"cannot write to the outbox directory {tmp_path}: Read-only file system." in done.stderr


@pytest.mark.parametrize(("whole", "held"), [(10**12, 16 * 2**20), (2**27, 16 * 2**20), (2**25, 2**22), (2**23, 2**20)])
def test_a_small_disk_has_a_smaller_reserve(whole: int, held: int) -> None:
    """One that could never have twice the reserve free would count as full for ever."""
    assert reserve(whole, 16 * 2**20) == held
    assert 2 * held <= whole / 4
