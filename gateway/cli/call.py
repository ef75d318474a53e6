"""`oden-gateway call`: any endpoint of Oden from the shell."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gateway.cli.check import DEFAULT_CONFIG, read_config

if TYPE_CHECKING:
    from gateway.oden.endpoints import Call
    from gateway.oden.errors import OdenError
    from gateway.oden.models import Model


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `call`."""
    parser = commands.add_parser(
        "call",
        help="make one call to Oden",
        description="Makes one call to Oden and prints the answer. While the gateway runs, it makes the call, in turn with its own; else the\n"
        "command waits for a full second and makes it itself. What the document of the API forbids is not sent.\n"
        "Exit code 0: done; 1: Oden or the way to it failed; 2: the call itself is wrong.",
        epilog="examples:\n"
        "  oden-gateway call --list\n"
        '  oden-gateway call line search --body \'{"factory": {"name": "Factory A"}, "match": "all"}\'\n'
        "  oden-gateway call interval set --body @run.json\n"
        '  echo \'{"id": "0012ab4d-1234-123a-8c76-6ea2344be6df"}\' | oden-gateway call product delete --body - --yes',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("object", nargs="?", metavar="OBJECT", help="such as line or interval; see --list")
    parser.add_argument("action", nargs="?", metavar="ACTION", help="such as search, set or delete")
    parser.add_argument("--list", action="store_true", help="list all objects and actions")
    parser.add_argument(
        "--body", default="{}", metavar="JSON", help="the request; @FILE reads a file, - standard input; default: {}"
    )
    parser.add_argument("--format", metavar="FORMAT", help="of oql query: json (default), jsonextended or csv")
    parser.add_argument("--pattern", metavar="PATTERN", help="of scrap_yield set: exact, contains or regex")
    parser.add_argument("--yes", action="store_true", help="do not ask before something is deleted")
    parser.add_argument("--json", action="store_true", help="print JSON on one line, also of what went wrong")
    parser.add_argument("-c", "--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.set_defaults(call=lambda arguments: _printed(parser, arguments))


def _printed(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """As `_call`; to have read enough of what it prints is no failure."""
    try:
        code = _call(parser, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _call(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from gateway.cli import call_way  # noqa: PLC0415 - the client's libraries cost every other command 0.3 s
    from gateway.oden import exchange  # noqa: PLC0415
    from gateway.oden.endpoints import ENDPOINTS  # noqa: PLC0415
    from gateway.oden.errors import InvalidRequest  # noqa: PLC0415

    if arguments.list:
        return _list(list(ENDPOINTS.values()), as_json=arguments.json)
    endpoint = _endpoint(parser, arguments, ENDPOINTS)
    query = _query(parser, arguments, endpoint)
    try:
        request = exchange.request(endpoint, _body(parser, arguments.body))
        fields = exchange.fields(endpoint, request)
        body = exchange.text(endpoint, fields)
    except InvalidRequest as wrong:
        _failed(wrong, as_json=arguments.json)
        return 2
    for name in dict.fromkeys(_unknown(request)):
        print(f"oden-gateway: Oden's document has no field {name} here; it is sent all the same", file=sys.stderr)
    loaded, _ = read_config(arguments.config, os.environ)
    if endpoint.deletes and not arguments.yes and not _confirmed(parser, arguments, endpoint.path, body):
        print("Nothing was deleted.", file=sys.stderr)
        return 1
    answer = call_way.ask(loaded, arguments.config, endpoint, body, query)
    error = exchange.failure(endpoint, fields, answer)
    if error is not None:
        _failed(error, as_json=arguments.json)
        return 1
    if isinstance(answer.body, str):  # CSV
        sys.stdout.write(answer.body)
    elif arguments.json:
        print(json.dumps(answer.body, ensure_ascii=False))
    else:
        print(json.dumps(answer.body, ensure_ascii=False, indent=2) if answer.readable else "Done.")
    return 0


def _list(endpoints: "list[Call[Any, Any]]", *, as_json: bool) -> int:
    if as_json:
        print(
            json.dumps(
                [{"call": one.path, "does": one.does, "effect": one.effect} for one in endpoints], ensure_ascii=False
            )
        )
    else:
        width = max(len(one.path) for one in endpoints)
        for one in endpoints:
            print(f"{one.path:{width}}  {one.does}")
    return 0


def _endpoint(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, known: "dict[str, Call[Any, Any]]"
) -> "Call[Any, Any]":
    path = "/".join(word for word in (arguments.object, arguments.action) if word)
    if path not in known:
        there = [one.action for one in known.values() if one.object == arguments.object]
        hint = (
            f"{arguments.object} has: {', '.join(there)}" if there else "oden-gateway call --list shows what there is"
        )
        parser.error(f"there is no call '{path.replace('/', ' ')}'; {hint}" if path else f"which call? {hint}")
    return known[path]


def _query(parser: argparse.ArgumentParser, arguments: argparse.Namespace, endpoint: "Call[Any, Any]") -> str | None:
    from gateway.oden.models import Format, Pattern  # noqa: PLC0415

    query: str | None = "json" if endpoint.query == "format" else None
    for name, values in (("format", get_args(Format)), ("pattern", get_args(Pattern))):
        value = getattr(arguments, name)
        if value is not None and endpoint.query != name:
            parser.error(f"{endpoint.object} {endpoint.action} has no --{name}")
        if value is not None and value not in values:
            parser.error(f"--{name} is one of {', '.join(values)}")
        query = value or query
    return query


def _body(parser: argparse.ArgumentParser, given: str) -> object:
    """The JSON value that was given. Oden would take the first of two equal keys, others the last: they are refused."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"'{twice}' stands twice in one object")
        return dict(pairs)

    def refuse(word: str) -> object:
        raise ValueError(f"{word} is no JSON")

    try:
        if given == "-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text(encoding="utf-8")
        return json.loads(given, object_pairs_hook=once, parse_constant=refuse)
    except OSError as error:
        parser.error(f"the body cannot be read: {given[1:]}: {error.strerror}")
    except RecursionError:
        parser.error("the body is nested too deeply")
    except ValueError as error:
        parser.error(f"the body is no JSON: {error}")


def _unknown(model: "Model", path: str = "") -> Iterator[str]:
    """Fields that the document does not name; in metadata any may stand."""
    from gateway.oden.models import Model  # noqa: PLC0415

    if path.rpartition(".")[2] != "metadata":
        yield from (f"'{f'{path}.{name}' if path else name}'" for name in model.model_extra or ())
    for name, value in model:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Model):
                yield from _unknown(one, f"{path}.{name}" if path else name)


def _confirmed(parser: argparse.ArgumentParser, arguments: argparse.Namespace, path: str, body: str) -> bool:
    if arguments.body == "-" or not sys.stdin.isatty():
        parser.error("this deletes, and there is nobody to ask here: add --yes")
    print(f"{path} {body}\nThis deletes at Oden, for good. Delete? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _failed(error: "OdenError", *, as_json: bool) -> None:
    """Say what went wrong: a sentence on standard error, or JSON on standard output."""
    if as_json:
        told = {
            "error": error.text,
            "call": error.endpoint,
            "status": error.status,
            "id": error.id,
            "certainty": error.certainty,
            "retryable": error.retryable,
            "may_repeat": error.may_repeat,
            "retry_after": error.retry_after,
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    print(f"oden-gateway: {error}", file=sys.stderr)
    if error.id:
        print(f"Oden's support finds this by its id: {error.id}", file=sys.stderr)
    if not error.may_repeat:
        print("It may have taken effect all the same: look it up before you send it again.", file=sys.stderr)
