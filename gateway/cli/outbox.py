"""`oden-gateway outbox`: what waits for Oden, what Oden refused, and what to do about it."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter

from gateway.cli.outbox_access import Item, ask
from gateway.cli.outbox_text import RecordDetails, compute_figures, describe, stats, table
from gateway.cli.startup import add_json_option, add_subcommand, read_config, say_beside
from gateway.config.schema_base import Duration
from gateway.errors import GatewayError, OutboxError
from gateway.outbox.backup import read_backup
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter, Where, listed_adapter
from gateway.outbox.recovery import STORE, restore, restore_folder

LISTED_AT_ONCE = 50
_DURATION: TypeAdapter[float] = TypeAdapter(Duration)
_DETAILS = TypeAdapter(RecordDetails)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `outbox` and its subcommands."""
    parser = commands.add_parser(
        "outbox",
        help="what waits for Oden, and what Oden refused",
        description="Shows and mends what waits for Oden. While the gateway runs, it is asked; else its files are "
        "opened.",
        epilog="example:\n  oden-gateway outbox list --where dead",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = partial(add_subcommand, group, "outbox")
    command = add("list", _list, "list records, those that Oden refused first", "--where dead --newer 2d")
    _filters(command)
    command.add_argument(
        "--limit", type=_count, default=LISTED_AT_ONCE, metavar="N", help="at the most; default: %(default)s"
    )
    add_json_option(command)
    command = add("show", _show, "show all that is known of one record", "01KAQ3V5ZP4K7R")
    command.add_argument("key", metavar="KEY", help="the record's key, or its beginning as `list` shows it")
    add_json_option(command)
    command = add(
        "retry", _retry, "send dead letters once more, and what is to be tried again at once", "--line 'Line 01'"
    )
    _choice(command)
    command = add("drop", _drop, "give dead letters up, with what depends on them, or what is held", "01KAQ3V5ZP4K7R")
    _choice(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    command = add(
        "settle",
        _settle,
        "say of an unsettled record, which may be at Oden, whether it is there",
        "01KAQ3V5ZP4K7R --absent",
    )
    command.add_argument("key", metavar="KEY", help="the record's key, or its beginning as `list` shows it")
    found = command.add_mutually_exclusive_group(required=True)
    found.add_argument("--id", metavar="ID", help="it is there, under this id")
    found.add_argument("--absent", action="store_true", help="it is not there: it is sent")
    command = add(
        "recreate",
        _recreate,
        "make an interval anew that somebody has deleted at Oden while it was open; what is held for it follows",
        "01KAQ3V5ZP4K7R",
    )
    command.add_argument(
        "keys", nargs="+", metavar="KEY", help="keys of records that are held for it (list --where deleted)"
    )
    about = "send nothing more to Oden, also after a restart, until `resume`; what comes is kept"
    command = add("pause", _pause, about, "--reason 'the lines are renamed at Oden'")
    command.add_argument("--reason", default="", metavar="TEXT", help="shown to whoever finds delivery paused")
    add("resume", _resume, "deliver again", "")
    command = add("export", _export, "print records, one JSON object a line", "--where dead > letters.jsonl")
    _filters(command)
    command = add(
        "import",
        _import,
        "send dead letters that were exported and changed; all of the file or, where a line is wrong, nothing",
        "letters.jsonl",
    )
    command.add_argument(
        "file", metavar="FILE", type=Path, help="what `export` printed, changed; - reads standard input"
    )
    about = "copy the outbox into a file, as it is at one moment; the gateway may run meanwhile"
    command = add("backup", backup, about, "/root/outbox.monday")
    command.add_argument("file", metavar="FILE", type=Path, help="must not exist; it is for its owner alone")
    about = "put a backup in the place of the outbox, which is set aside; the gateway must not run"
    command = add("restore", restore_from, about, "/root/outbox.monday")
    kept = "what `backup` has written; or a folder beside the outbox that was kept or set aside"
    command.add_argument("file", metavar="FILE", type=Path, help=kept)
    command = add("stats", _stats, "how much waits, how long it takes, and how much room is left", "--json")
    add_json_option(command)
    command = add("verify", _verify, "read everything and say what is not in order (exit code 1)", "--acknowledge")
    command.add_argument("--acknowledge", action="store_true", help="the damage that is reported has been seen to")
    add_json_option(command)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--line", metavar="LINE", help="of this line: its name, or factory/name")
    parser.add_argument("--kind", metavar="KIND", help="start, update or output; or a type: RUN, BATCH, STATE, …")
    parser.add_argument("--where", choices=get_args(Where), help="what is done with them at present")
    parser.add_argument("--error", metavar="TEXT", help="with TEXT in what was answered")
    parser.add_argument("--older", metavar="TIME", type=_duration, help="made longer ago than, such as 2h")
    parser.add_argument("--newer", metavar="TIME", type=_duration, help="made within, such as 30m")


def _choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="*", metavar="KEY", help="keys, or their beginnings as `list` shows them")
    parser.add_argument("--all", action="store_true", help="every one")
    _filters(parser)


def _duration(text: str) -> float:
    try:
        return _DURATION.validate_python(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a duration with its unit, such as 90s, 30m, 2h or 3d"
        ) from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of records")
    return int(text)


def _filter(arguments: argparse.Namespace) -> Filter:
    now = time.time()
    before = None if arguments.older is None else now - arguments.older
    after = None if arguments.newer is None else now - arguments.newer
    return Filter(kind=arguments.kind, where=arguments.where, error=arguments.error, before=before, after=after)


def _chosen(arguments: argparse.Namespace) -> Question:
    """The question of a command that takes keys, filters or --all, of which exactly one must be given."""
    filters = [arguments.line, arguments.kind, arguments.where, arguments.error, arguments.older, arguments.newer]
    given = (bool(arguments.keys), any(value is not None for value in filters), arguments.all)
    if sum(given) != 1:
        arguments.parser.error("say which: keys, or filters such as --line, or --all")
    if arguments.keys:
        return Question(Filter(keys=frozenset(key.upper() for key in arguments.keys)))
    return Question(_filter(arguments), line=arguments.line)


# Commands


def _list(arguments: argparse.Namespace) -> int:
    items = ask(arguments, "list", Question(_filter(arguments), line=arguments.line, limit=arguments.limit))
    records = [item["record"] for item in items if "record" in item]
    more, unread = {"more": True} in items, sum(item.get("unread", 0) for item in items)
    if arguments.json:
        print(json.dumps({"records": records, "more": more}, ensure_ascii=False))
    elif not records:
        print("No records.")
    else:
        for row in table([listed_adapter().validate_python(record) for record in records], time.time()):
            print(row)
        if more:
            print(f"\nThese are the first {len(records)}; there are more (--limit).")
    if unread:
        text = (
            f"{unread} row{'' if unread == 1 else 's'} could not be read and {'is' if unread == 1 else 'are'} not shown"
        )
        say_beside(f"{text}: `oden-gateway outbox verify` says more.", as_json=arguments.json)
    return 1 if unread else 0


def _show(arguments: argparse.Namespace) -> int:
    (item,) = ask(arguments, "show", Question(Filter(keys=frozenset({arguments.key.upper()}))))
    if arguments.json:
        print(json.dumps(item, ensure_ascii=False))
    else:
        print("\n".join(describe(_DETAILS.validate_python(item), time.time())))
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    (item,) = ask(arguments, "retry", _chosen(arguments))
    print(f"{_records(item['retried'])} will be sent once more.")
    _say_outdated(item)
    if item["hopeless"]:
        print(
            f"{_records(item['hopeless'])} cannot be sent any more: their interval is not known. Drop them.",
            file=sys.stderr,
        )
    return 1 if item["hopeless"] else 0


def _drop(arguments: argparse.Namespace) -> int:
    question = _chosen(arguments)
    if not arguments.yes:
        (item,) = ask(arguments, "drop", Question(question.wanted, line=question.line, dry=True))
        if not item["letters"] and not item["held"]:
            print("There is nothing to drop.")
            return 0
        print(f"This gives up {_dropped(item)}. They will never be at Oden.")
        if not _confirmed():
            print("Nothing was dropped.", file=sys.stderr)
            return 1
        question = Question(Filter(keys=frozenset(item["keys"])))
    (item,) = ask(arguments, "drop", question)
    print(f"Dropped {_dropped(item)}.")
    return 0


def _settle(arguments: argparse.Namespace) -> int:
    question = Question(Filter(keys=frozenset({arguments.key.upper()})), oden_id=arguments.id)
    (item,) = ask(arguments, "settle", question)
    print(f"{item['settled']} {'will be sent' if arguments.id is None else 'counts as delivered'}.")
    return 0


def _recreate(arguments: argparse.Namespace) -> int:
    question = Question(Filter(keys=frozenset(key.upper() for key in arguments.keys)))
    (item,) = ask(arguments, "recreate", question)
    number = item["recreated"]
    print(f"{number} interval{'' if number == 1 else 's'} will be made anew at Oden; what is held for it follows.")
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    (item,) = ask(arguments, "pause", Question(reason=arguments.reason))
    paused = item["paused"]
    print(f"Delivery is paused since {_at(paused['since'])}, by {paused['by']}. `oden-gateway outbox resume` ends it.")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    (item,) = ask(arguments, "resume", Question())
    was = item["resumed"]
    print("Delivery was not paused." if was is None else f"Delivery goes on; it was paused at {_at(was['since'])}.")
    return 0


def _at(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC).astimezone():%Y-%m-%d %H:%M}"


def _dropped(item: Item) -> str:
    if item["held"]:
        held = f"{_records(item['held'])} of what was deleted at Oden"
        return f"{held} and {_dropped({**item, 'held': 0})}" if item["letters"] else held
    letters = f"{item['letters']} dead letter{'' if item['letters'] == 1 else 's'}"
    if not item["dependents"]:
        return letters
    return (
        f"{letters}, and {_records(item['dependents'])} that {'depends' if item['dependents'] == 1 else 'depend'} on it"
    )


def _confirmed() -> bool:
    print("Drop them? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _export(arguments: argparse.Namespace) -> int:
    def write(item: Item) -> None:
        print(item["line"])

    try:
        ask(arguments, "export", Question(_filter(arguments), line=arguments.line), write)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _import(arguments: argparse.Namespace) -> int:
    try:
        text = sys.stdin.read() if str(arguments.file) == "-" else arguments.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise GatewayError(f"{arguments.file} cannot be read: {reason}") from None
    (item,) = ask(arguments, "import", Question(lines=tuple(text.split("\n"))))
    print(f"{_records(item['retried'])} will be sent as the file says.")
    _say_outdated(item)
    return 0


def _say_outdated(item: Item) -> None:
    if item["outdated"]:
        print(
            f"{_records(item['outdated'])} said something that later ones say differently. That was left out, so that "
            "the later word stands."
        )


def _looked_at(directory: Path) -> Path:
    """`directory`, or the nearest folder above it of which this user may know the disk."""
    return next(folder for folder in (directory, *directory.parents) if os.access(folder.parent, os.X_OK))


def _stats(arguments: argparse.Namespace) -> int:
    config = read_config(arguments.config, os.environ, though_absent=True)[0].config
    (item,) = ask(arguments, "stats", Question())
    disk = shutil.disk_usage(_looked_at(config.outbox.directory.absolute()))
    room = min(config.outbox.size_limit - item["bytes"], int(disk.free - config.outbox.min_free * disk.total))
    statistics = compute_figures(item, config.oden.rate, room)
    as_json = json.dumps(asdict(statistics), ensure_ascii=False)
    print(as_json if arguments.json else "\n".join(stats(statistics)))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    items = ask(arguments, "verify", Question(acknowledge=arguments.acknowledge))
    problems = [item["problem"] for item in items if "problem" in item]
    notes = [item["note"] for item in items if "note" in item]
    damage = [item["damage"] for item in items if "damage" in item]
    records = items[-1]["records"]
    bad = bool(problems or (damage and not arguments.acknowledge))
    if arguments.json:
        result = {"ok": not bad, "records": records, "problems": problems, "notes": notes, "damage": damage}
        print(json.dumps(result, ensure_ascii=False))
        return int(bad)
    for report in damage:
        print("\n".join(_damage(report)))
    if damage:
        print("This is acknowledged now." if arguments.acknowledge else "Acknowledge it with --acknowledge.")
    for text in (*problems, *notes):
        print(text)
    print(f"{records} records were read: {'see above for what is wrong' if problems else 'they are in order'}.")
    return int(bad)


def _damage(report: Item) -> Iterator[str]:
    yield f"{_at(report['at'])}: the outbox was damaged: {report['reason']}"
    yield f"  {report['read']} rows could be read. The damaged files are in {report['folder']}."
    if report["lost"]:
        yield f"  Lost: {', '.join(f'{number} {kind}' for kind, number in report['lost'].items())}."


def _records(number: int) -> str:
    return f"{number} record{'' if number == 1 else 's'}"


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
    if arguments.file.is_dir():
        aside = restore_folder(directory, arguments.file, time.time())
    else:
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
