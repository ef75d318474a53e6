"""`oden-gateway rejects`: messages that could not be used, and what to do about them."""

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from functools import partial

from gateway.cli.outbox_access import Item, ask
from gateway.cli.startup import add_json_option, add_subcommand
from gateway.outbox.reject_handlers import REJECTS, Question
from gateway.outbox.words import moment

LISTED_AT_ONCE = 50


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `rejects` and its subcommands."""
    parser = commands.add_parser(
        "rejects",
        help="messages that could not be used: look at them, take them in once more",
        description="Shows messages that could not be used, which are kept whole, and takes them in once more when the "
        "configuration is mended. While the gateway runs, it is asked; else its files are opened.",
        epilog="example:\n  oden-gateway rejects list",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = partial(add_subcommand, group, "rejects")
    command = add("list", _list, "list the messages, newest first", "--topic orders")
    _filters(command)
    command.add_argument(
        "--limit", type=_number, default=LISTED_AT_ONCE, metavar="N", help="at the most; default: %(default)s"
    )
    command = add("show", _show, "show a message whole", "17")
    command.add_argument("numbers", nargs="+", type=_number, metavar="ID", help="its number, as `list` shows it")
    about = "take messages in once more, as if they had just come; those that can be used now leave the store"
    _choice(add("replay", _replay, about, "--topic orders"))
    command = add("drop", _drop, "throw messages away", "17 18")
    _choice(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    for command in group.choices.values():
        add_json_option(command)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", metavar="TEXT", default="", help="with TEXT in the topic")
    parser.add_argument("--reason", metavar="TEXT", default="", help="with TEXT in the reason")


def _choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("numbers", nargs="*", type=_number, metavar="ID", help="numbers, as `list` shows them")
    parser.add_argument("--all", action="store_true", help="every one")
    _filters(parser)


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 on")
    return int(text)


def _chosen(arguments: argparse.Namespace) -> Question:
    """The question of a command that takes numbers, filters or --all, of which exactly one must be given."""
    given = (bool(arguments.numbers), bool(arguments.topic or arguments.reason), arguments.all)
    if sum(given) != 1:
        arguments.parser.error("say which: numbers, or --topic and --reason, or --all")
    return Question(tuple(arguments.numbers), arguments.topic, arguments.reason)


# Commands


def _list(arguments: argparse.Namespace) -> int:
    question = Question(topic=arguments.topic, reason=arguments.reason, limit=arguments.limit)
    items = ask(arguments, f"{REJECTS}list", question)
    rejects, more, store = [i["reject"] for i in items if "reject" in i], {"more": True} in items, items[-1]["store"]
    if arguments.json:
        print(json.dumps({"rejects": rejects, "more": more, **store}, ensure_ascii=False))
        return 0
    print("\n".join(_table(rejects)) if rejects else "No rejected messages.")
    if more:
        print(f"\nThese are the newest {len(rejects)}; there are more (--limit).")
    if store["left_out"]:
        print(f"{_messages(store['left_out'])} more like these came too fast to be kept.")
    if store["dropped"]:
        print(f"{_messages(store['dropped'])}, the oldest, made room for newer ones.")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    items = ask(arguments, f"{REJECTS}show", Question(tuple(arguments.numbers)))
    for item in items:
        if arguments.json:
            print(json.dumps(item, ensure_ascii=False))
        else:
            print("\n".join(_described(item)))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    items = ask(arguments, f"{REJECTS}replay", _chosen(arguments))
    left = [item for item in items if not item["taken"]]
    if arguments.json:
        print(json.dumps({"replayed": items}, ensure_ascii=False))
        return int(bool(left))
    for item in left:
        print(f"{item['number']} stays: {item['reason']}", file=sys.stderr)
    print(f"{_messages(len(items) - len(left))} taken in.")
    return int(bool(left))


def _drop(arguments: argparse.Namespace) -> int:
    question = _chosen(arguments)
    if not arguments.yes:
        many = _messages(len(question.numbers)) if question.numbers else "All of these messages"
        print(f"{many} will be thrown away. Drop them? [y/N] ", end="", flush=True, file=sys.stderr)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("Nothing was dropped.", file=sys.stderr)
            return 1
    (item,) = ask(arguments, f"{REJECTS}drop", question)
    print(json.dumps(item) if arguments.json else f"Dropped {_messages(item['dropped'])}.")
    return 0


def _table(rejects: list[Item]) -> Iterator[str]:
    width = max(len(str(reject["number"])) for reject in rejects)
    for reject in rejects:
        wanted = ", replayed at the next start" if reject.get("wanted") else ""
        yield f"{reject['number']:>{width}}  {moment(reject['at'])}  {reject['source']} {reject['address']}{wanted}"
        yield f"{'':{width}}  {reject['reason']}"


def _described(item: Item) -> Iterator[str]:
    reject = item["reject"]
    yield f"{reject['number']}: {reject['source']} {reject['address']}, {reject['size']} bytes"
    yield f"  came     {moment(reject['at'])}{', kept by the broker' if reject.get('retained') else ''}"
    yield f"  reason   {reject['reason']}"
    if reject.get("lines"):
        yield f"  lines    {', '.join(reject['lines'])}"
    yield ""
    if "payload" in item:
        yield item["payload"]
    else:
        payload = base64.b64decode(item["payload_base64"])
        yield f"(no text) {payload.hex(' ')}"
    yield ""


def _messages(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"
