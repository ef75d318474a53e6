"""`oden-gateway outbox backup|restore`: a copy of the outbox in a file, and back."""

import argparse
import os
import shutil
import time
from functools import partial
from pathlib import Path

from gateway.cli.outbox_access import ask
from gateway.cli.startup import read_config
from gateway.errors import OutboxError
from gateway.outbox.backup import read_backup
from gateway.outbox.control_handlers import Question
from gateway.outbox.recovery import STORE, restore


def backup(arguments: argparse.Namespace) -> int:
    """Have the outbox copied, by the running gateway where one runs, and take the copy to FILE."""
    if arguments.file.exists():
        raise OutboxError(f"{arguments.file} exists already")
    (item,) = ask(arguments, "backup", Question())
    try:
        shutil.move(item["file"], arguments.file)
    except OSError as error:
        Path(item["file"]).unlink(missing_ok=True)
        raise OutboxError(f"the backup {arguments.file} cannot be written: {error.strerror}") from error
    print(f"{arguments.file}: {item['rows']} rows.")
    return 0


def restore_from(arguments: argparse.Namespace) -> int:
    """Put the copy in the place of the outbox, while no gateway runs."""
    directory = read_config(arguments.config, os.environ, though_absent=True)[0].config.outbox.directory
    aside = restore(directory, partial(read_backup, arguments.file), time.time())
    _give_to_owner(directory)
    print(f"The outbox in {directory} is that of {arguments.file}.")
    print("What waits in it is looked up at Oden, when the gateway starts, before it is sent.")
    if aside:
        print(f"What was there before is in {directory / aside}.")
    return 0


def _give_to_owner(directory: Path) -> None:
    """Files that were made there must belong to the gateway's user, or it cannot start any more."""
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (directory / "lock", directory / STORE, *(directory / STORE).iterdir()):
            os.chown(path, owner.st_uid, owner.st_gid)
