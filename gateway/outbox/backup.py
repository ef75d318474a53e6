"""A copy of the outbox in one file: taken between two transactions, also while the gateway runs, and read back whole or
not at all.

The file is text: a head, then each row as a line `[key, value]`, then a foot with the number of rows and a digest of
all before it. Whatever keeps the rows on disk is of no concern here.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import OutboxError
from gateway.outbox.directory import sync_directory
from gateway.outbox.store import Outbox

HEAD = "oden-gateway outbox"
_NO_SENSE = (ValueError, TypeError, KeyError)


def write_backup(outbox: Outbox, file: Path) -> int:
    """Write all rows as they are now, for this user alone; answers how many. Raises OutboxError, and leaves no file."""
    digest, number = hashlib.blake2b(), 0
    try:
        with open(file, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:

            def put(item: object) -> None:
                line = json.dumps(item, ensure_ascii=False).encode() + b"\n"
                digest.update(line)
                out.write(line)

            put({HEAD: outbox.row("format")})
            for number, row in enumerate(outbox.rows(), 1):  # noqa: B007 - how many there are
                put(row)
            out.write(json.dumps({"rows": number, "digest": digest.hexdigest()}).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        sync_directory(file.parent)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            file.unlink(missing_ok=True)
        raise OutboxError(f"the backup {file} cannot be written: {error.strerror}") from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return number


def read_backup(file: Path) -> Iterator[tuple[str, str]]:
    """The rows of a backup, each as it was. Raises OutboxError where it is none, or is not as it was written: to be
    read to its end before anything of it is believed."""
    digest, number, foot = hashlib.blake2b(), 0, None
    try:
        with file.open("rb") as lines:
            head = _parsed(file, next(lines, b""), digest)
            if not isinstance(head, dict) or HEAD not in head:
                raise OutboxError(f"{file} is no backup of an outbox")
            for line in lines:
                before = digest.copy()
                item = _parsed(file, line, digest)
                if isinstance(item, dict):
                    foot = item == {"rows": number, "digest": before.hexdigest()} and next(lines, None) is None
                    break
                key, text = item
                number += 1
                yield str(key), str(text)
    except OSError as error:
        raise OutboxError(f"{file} cannot be read: {error.strerror}") from error
    except _NO_SENSE as error:
        raise OutboxError(f"{file} is not as it was written: line {number + 2}") from error
    if not foot:
        raise OutboxError(f"{file} is not as it was written: its end is missing, or something in it was changed")


def _parsed(file: Path, line: bytes, digest: "hashlib.blake2b") -> Any:
    digest.update(line)
    try:
        return json.loads(line)
    except ValueError:
        raise OutboxError(f"{file} is no backup of an outbox, or is not as it was written") from None
