"""`oden-gateway replay` and `test`: what the configuration makes of recordings and of test cases; nothing is sent."""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.cli.startup import add_config_option, read_config, say_beside
from gateway.config.loader import Loaded
from gateway.errors import GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.coverage import NEVER, Coverage
from gateway.model import Notice
from gateway.oden.exchange import iso
from gateway.oden.requests import Wording
from gateway.sources import recording
from gateway.trial.cases import CaseResult, accept, run_cases
from gateway.trial.play import begun, play, previews, rejected

CASES = "*.test.yaml"


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands `replay` and `test`."""
    replay = commands.add_parser(
        "replay",
        help="print the requests that a recording would cause",
        description="Maps a recording with its own clock and prints each request, in order, as it would be sent "
        "if Oden were always\n"
        "reached at once. Sends nothing. What no input takes, what never had a value, what was looked up in vain and\n"
        "how late messages came is said on standard error; so is a run that had just begun. With --json each sentence\n"
        'there is {"said": ...}, and what could not be used is among them. '
        "With --expect, prints the differences to that file (exit code 1).",
        epilog="example:\n"
        "  oden-gateway replay -c gateway.yaml monday.jsonl > monday.txt\n"
        "  oden-gateway replay -c gateway.yaml monday.jsonl --expect monday.txt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(replay)
    replay.add_argument("recording", type=Path, metavar="FILE", help="a recording made by `oden-gateway record`")
    replay.add_argument("--line", help="only this line: its name, or factory/name")
    replay.add_argument("--expect", type=Path, metavar="FILE", help="compare with what is in this file")
    replay.add_argument("--json", action="store_true", help="print JSON, one request a line")
    replay.set_defaults(call=_replay)

    test = commands.add_parser(
        "test",
        help="check the configuration against cases: given samples, expected requests",
        description=f"Plays the cases in {CASES} beside the configuration, and in its folder tests/, or in the "
        "files that are named.\n"
        "Exit code 0: all as expected; 1: not so; 2: a file is wrong.",
        epilog="example:\n  oden-gateway test -c gateway.yaml\n\n"
        "a case, in changeover.test.yaml:\n"
        "  name: an order starts a run\n"
        "  given:\n"
        "    - {at: 0s, set: {state: 1}}\n"
        '    - {at: 5s, topic: plant-a/L01/events/order, message: {number: "4711", sku: FILM}}\n'
        "    - {at: 10s}\n"
        "  expect:\n"
        "    - interval/set: {type: {name: STATE}, metadata: {category: {name: Uptime}}}\n"
        '    - interval/set: {type: {name: RUN}, name: "4711"}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(test)
    test.add_argument("files", type=Path, nargs="*", metavar="FILE")
    test.add_argument(
        "--accept", action="store_true", help="write what came into the files, as what is expected where it was not"
    )
    test.add_argument("--json", action="store_true", help="print JSON: each case, and what none of them has set")
    test.set_defaults(call=_test)


def wording(loaded: Loaded) -> Wording:
    """How requests are written with this configuration."""
    return Wording(loaded.config.oden.raw_data, loaded.config.oden.reference)


def lines_named(plans: Sequence[LinePlan], name: str | None) -> list[LinePlan]:
    """The lines that a person means by `name`; all where that is None. Raises GatewayError where there are none."""
    matches = [plan for plan in plans if name in (None, plan.line, plan.key, plan.id)]
    if not matches:
        raise GatewayError(f"there is no line {name}; there are: {', '.join(plan.key for plan in plans)}")
    return matches


def _replay(arguments: argparse.Namespace) -> int:
    loaded, plans = read_config(arguments.config, os.environ)
    plans = lines_named(plans, arguments.line)
    playback = play(plans, recording.read(arguments.recording))
    requests = list(previews(playback.causes, plans, wording(loaded)))
    said = [*playback.coverage.sentences(plans)]
    for plan in plans:
        said += (f"{plan.key}: {sentence}" for sentence in playback.lateness.sentences(plan.key))
    said += begun(plans, playback.states)
    said += rejected(playback.notices) if arguments.json else ()
    for sentence in said:
        say_beside(sentence, as_json=arguments.json)
    if arguments.json:
        for request in requests:
            record = request.cause.record
            at = iso(int(record.at))
            print(json.dumps({"at": at, "key": record.key, "path": request.path, "body": request.body}))
        return 0
    lines = [*map(str, requests), *map(_notice, playback.notices)]
    if arguments.expect is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 0
    try:
        expected = arguments.expect.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"{arguments.expect} cannot be read: {error}") from None
    differences = list(difflib.unified_diff(expected, lines, str(arguments.expect), "now", lineterm="", n=1))
    print("\n".join(differences) if differences else f"{len(lines)} lines, all as expected")
    return 1 if differences else 0


def print_coverage(coverage: Coverage, plans: Sequence[LinePlan]) -> None:
    """Say on standard error what of the configuration came to nothing."""
    for sentence in coverage.sentences(plans):
        print(sentence, file=sys.stderr)


def _notice(notice: Notice) -> str:
    where = " ".join(filter(None, (notice.source, notice.address)))
    return f"{iso(int(notice.at))} {notice.kind}: {where}: {notice.text}"


def _test(arguments: argparse.Namespace) -> int:
    loaded, plans = read_config(arguments.config, os.environ)
    folder = arguments.config.parent
    files = arguments.files or sorted([*folder.glob(CASES), *(folder / "tests").glob(CASES)])
    if not files:
        print(f"oden-gateway test: there is no {CASES} beside {arguments.config}", file=sys.stderr)
        return 2
    coverage = Coverage()
    told: list[CaseResult] = []
    for path in files:
        results = list(run_cases(path, plans, wording(loaded), coverage))
        if arguments.accept and any(result.differences for result in results):
            accept(path, results)
            results = list(run_cases(path, plans, wording(loaded)))
            if not arguments.json:
                print(f"{path}: what came is expected from now on")
        told += results
        for result in () if arguments.json else results:
            print(f"{'FAILED' if result.differences else 'ok'}  {result.name}  ({result.where})")
            for line in (*result.differences, *map(_notice, result.notices)):
                print(f"    {line}")
    said = [f"in no case: {each}" if each.endswith(NEVER) else each for each in coverage.sentences(plans)]
    failed = sum(bool(result.differences) for result in told)
    if arguments.json:
        print(json.dumps({"cases": [*map(_case, told)], "said": said}, ensure_ascii=False))
    else:
        print("\n".join([*said, f"{len(told) - failed} as expected, {failed} not"]))
    return 1 if failed else 0


def _case(result: CaseResult) -> dict[str, object]:
    return {
        "name": result.name,
        "where": result.where,
        "differences": [*result.differences],
        "notices": [*map(_notice, result.notices)],
    }
