"""`oden-gateway call`: any endpoint of Oden from the shell.

A running gateway makes the call, in turn with its own requests. Where none runs, the command makes it at the same pace.
"""

import argparse
import asyncio
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gateway.cli.startup import add_config_option, configure_logging, read_config
from gateway.config.loader import Loaded
from gateway.control_places import places
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.oden import control_handlers
    from gateway.oden.classification import Answer
    from gateway.oden.endpoints import Call, Gives, Takes
    from gateway.oden.errors import OdenError
    from gateway.oden.models import Model
    from gateway.oden.objects import Objects

PATIENCE = 15.0
"""Seconds to wait for another command, or for a gateway that is just starting or stopping."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `call`."""
    parser = commands.add_parser(
        "call",
        help="make one call to Oden",
        description="Makes one call to Oden and prints the answer. While the gateway runs, it makes the call, in "
        "turn with its own; else the\n"
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
    add_config_option(parser)
    parser.set_defaults(call=lambda arguments: _run(parser, arguments))


def _run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    """As `_call`. That the reader of its output closes the pipe early is no failure."""
    try:
        code = _call(parser, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _call(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from gateway.oden import control_handlers, exchange  # noqa: PLC0415 - the client's libraries cost every other command 0.3 s
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
    except InvalidRequest as error:
        _print_failure(error, as_json=arguments.json)
        return 2
    for name in dict.fromkeys(_undocumented(request)):
        print(f"oden-gateway: Oden's document has no field {name} here; it is sent all the same", file=sys.stderr)
    loaded, _ = read_config(arguments.config, os.environ)
    if endpoint.deletes and not arguments.yes and not _confirmed(parser, arguments, endpoint.path, body):
        print("Nothing was deleted.", file=sys.stderr)
        return 1
    configure_logging(loaded.config.log)
    answer = asyncio.run(_send(loaded, arguments.config, control_handlers.CallQuestion(endpoint.path, body, query)))
    failure = exchange.failure(endpoint, fields, answer)
    if failure is not None:
        _print_failure(failure, as_json=arguments.json)
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
        rows = [{"call": endpoint.path, "does": endpoint.does, "effect": endpoint.effect} for endpoint in endpoints]
        print(json.dumps(rows, ensure_ascii=False))
    else:
        width = max(len(endpoint.path) for endpoint in endpoints)
        for endpoint in endpoints:
            print(f"{endpoint.path:{width}}  {endpoint.does}")
    return 0


def _endpoint(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, known: "dict[str, Call[Any, Any]]"
) -> "Call[Any, Any]":
    path = "/".join(word for word in (arguments.object, arguments.action) if word)
    if path not in known:
        actions = [endpoint.action for endpoint in known.values() if endpoint.object == arguments.object]
        hint = "oden-gateway call --list shows what there is"
        if actions:
            hint = f"{arguments.object} has: {', '.join(actions)}"
        parser.error(f"there is no call '{path.replace('/', ' ')}'; {hint}" if path else f"which call? {hint}")
    return known[path]


def _query(parser: argparse.ArgumentParser, arguments: argparse.Namespace, endpoint: "Call[Any, Any]") -> str | None:
    """The value of the endpoint's parameter in the address; None where it has none."""
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
    """The JSON value of the option `--body`.

    Of two equal keys Oden would take the first and other readers the last, so they are refused.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate is not None:
            raise ValueError(f"'{duplicate}' stands twice in one object")
        return dict(pairs)

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON")

    try:
        if given == "-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text(encoding="utf-8")
        return json.loads(given, object_pairs_hook=unique, parse_constant=refuse)
    except OSError as error:
        parser.error(f"the body cannot be read: {given[1:]}: {error.strerror}")
    except RecursionError:
        parser.error("the body is nested too deeply")
    except ValueError as error:
        parser.error(f"the body is no JSON: {error}")


def _undocumented(model: "Model", path: str = "") -> Iterator[str]:
    """The fields that Oden's document does not name. Those in metadata are not meant: any may stand there."""
    from gateway.oden.models import Model  # noqa: PLC0415

    if path.rpartition(".")[2] != "metadata":
        yield from (f"'{f'{path}.{name}' if path else name}'" for name in model.model_extra or ())
    for name, value in model:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Model):
                yield from _undocumented(item, f"{path}.{name}" if path else name)


def _confirmed(parser: argparse.ArgumentParser, arguments: argparse.Namespace, path: str, body: str) -> bool:
    if arguments.body == "-" or not sys.stdin.isatty():
        parser.error("this deletes, and there is nobody to ask here: add --yes")
    print(f"{path} {body}\nThis deletes at Oden, for good. Delete? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_failure(error: "OdenError", *, as_json: bool) -> None:
    """Print what went wrong: a sentence on standard error, or JSON on standard output."""
    if as_json:
        failure = {
            "error": error.text,
            "call": error.endpoint,
            "status": error.status,
            "id": error.id,
            "certainty": error.certainty,
            "retryable": error.retryable,
            "may_repeat": error.may_repeat,
            "retry_after": error.retry_after,
        }
        print(json.dumps(failure, ensure_ascii=False))
        return
    print(f"oden-gateway: {error}", file=sys.stderr)
    if error.id:
        print(f"Oden's support finds this by its id: {error.id}", file=sys.stderr)
    if not error.may_repeat:
        print("It may have taken effect all the same: look it up before you send it again.", file=sys.stderr)


# How the request gets to Oden


def oden_of(loaded: Loaded, config: Path) -> "Objects":
    """Every endpoint as a method, over the running gateway or, where none runs, from here. Raises as `_send`, and
    OdenError."""
    from gateway.oden import control_handlers, exchange  # noqa: PLC0415
    from gateway.oden.objects import Objects  # noqa: PLC0415

    async def call(endpoint: "Call[Takes, Gives]", request: "Takes", query: str | None = None) -> "Gives":
        fields = exchange.fields(endpoint, request)
        question = control_handlers.CallQuestion(endpoint.path, exchange.text(endpoint, fields), query)
        answer = await _send(loaded, config, question)
        failure = exchange.failure(endpoint, fields, answer)
        if failure is not None:
            raise failure
        return exchange.result(endpoint, fields, answer)

    return Objects(call)


async def _send(loaded: Loaded, config: Path, call: "control_handlers.CallQuestion") -> "Answer":
    """The answer to `call`. Raises GatewayError where the call was not made, or where that is not known."""
    from gateway import control  # noqa: PLC0415

    directory = await asyncio.to_thread(loaded.config.outbox.directory.absolute)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await _send_through_gateway(directory, call)
        except control.NoGateway:
            pass
        try:
            return await _send_from_here(loaded, directory, config, call)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GatewayError(f"another oden-gateway uses {directory}, and does not answer") from None
            await asyncio.sleep(0.1)


async def _send_through_gateway(directory: Path, call: "control_handlers.CallQuestion") -> "Answer":
    """The answer to `call` as the running gateway makes it. Raises NoGateway where none runs."""
    from gateway import control  # noqa: PLC0415
    from gateway.oden import control_handlers  # noqa: PLC0415

    question = control_handlers.CALL_QUESTION.dump_python(call, mode="json")
    try:
        items = [item async for item in control.ask(directory, places(directory), control_handlers.CALL, question)]
    except control.BrokenOff as error:
        raise GatewayError(f"{error}; whether the call was made is not known") from None
    (item,) = items
    return control_handlers.CALL_ANSWER.validate_python(item["answer"])


async def _send_from_here(
    loaded: Loaded, directory: Path, config: Path, call: "control_handlers.CallQuestion"
) -> "Answer":
    """The answer to `call`, made by a client of this process, which first waits for a full second.

    Raises BlockingIOError where another process has the turn.
    """
    from gateway.oden.client import configured_client  # noqa: PLC0415
    from gateway.oden.endpoints import ENDPOINTS  # noqa: PLC0415

    async with configured_client(loaded, time.monotonic()) as client:
        written = asyncio.Event()
        with _turn(directory, config):
            answer = asyncio.create_task(client.post(ENDPOINTS[call.path], call.body, written, query=call.query))
            leaving = asyncio.create_task(written.wait())
            await asyncio.wait({answer, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
        return await answer


@contextmanager
def _turn(directory: Path, config: Path) -> Iterator[None]:
    """Holds the lock of the outbox in `directory` until the request is written.

    Meanwhile no gateway starts with this outbox and no other command makes a call; each of them waits for a full second
    before its first request. Where no gateway has run yet, the file `config` is locked in place of the outbox.
    """
    try:
        file = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise GatewayError(
            f"{directory} is for the gateway's own user and root: run the command as one of these"
        ) from None
    except FileNotFoundError:
        file = os.open(config, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
