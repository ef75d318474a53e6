"""How late messages come on the lines of the gateway that runs, for `oden-gateway check`: what the plant does stands in
no configuration."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from os.path import exists
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from gateway.control_places import places
from gateway.errors import GatewayError
from gateway.mapping.compile import LinePlan
from gateway.mapping.lateness import NOTABLE, Lateness, in_words

LONGEST = 5.0
"""Seconds for which an answer is waited for: what is asked for stands in memory."""

_LATENESS = TypeAdapter(dict[str, Lateness])


class Seen(NamedTuple):
    """What the running gateway has seen since it was started (`since`, ISO 8601), by line and by input; `why` that is
    not known here, where it is not."""

    since: str
    lines: Mapping[str, Mapping[str, Lateness]]
    why: str = ""

    def as_json(self, line: str) -> dict[str, Any]:
        """What a line's JSON has of it."""
        known = self.lines.get(line, {})
        return {"since": self.since or None, "inputs": _LATENESS.dump_python({**known}, mode="json")}


def seen(outbox: Path, plans: Sequence[LinePlan]) -> Seen | None:
    """What the gateway has seen that has its outbox in this folder; None where none runs, or no message says a time.
    Whatever it answers, a configuration is as right as it is."""
    directory = outbox.absolute()
    if not any(plan.timed for plan in plans) or not any(map(exists, places(directory))):
        return None
    from gateway import control  # noqa: PLC0415 - its libraries cost every other check 0.3 s

    async def ask() -> list[dict[str, Any]]:
        async with asyncio.timeout(LONGEST):
            return [item async for item in control.ask(directory, places(directory), "status", None)]

    try:
        (said,) = asyncio.run(ask())
        lines = {line["key"]: _LATENESS.validate_python(line["lateness"]) for line in said["lines"]}
        return Seen(str(said["started_at"]), lines)
    except control.NoGateway:
        return None
    except TimeoutError:
        return Seen("", {}, "the running gateway does not answer")
    except (ValidationError, ValueError, KeyError, TypeError):
        return Seen("", {}, "the running gateway is of another version")
    except GatewayError as error:
        return Seen("", {}, str(error))


def sentences(known: Seen, plans: Sequence[LinePlan]) -> Iterator[str]:
    """The figures in words: of inputs whose messages were late by a second or more, and how many the others are."""
    if known.why:
        yield f"How late messages come is not known here: {known.why}."
        return
    yield f"How late messages came by their own times, by the running gateway since {_when(known.since)}:"
    of = [(plan.key, name, each) for plan in plans for name, each in known.lines.get(plan.key, {}).items()]
    late = [(line, name, each) for line, name, each in of if each.worst >= NOTABLE]
    yield from (f"  {line} {name}: {in_words(each)}" for line, name, each in late)
    others, prompt = len(of) - len(late), sum(each.messages for _, _, each in of if each.worst < NOTABLE)
    if others:
        inputs = f"{others} {'other ' * bool(late)}input{'s' * (others > 1)}"
        yield f"  {inputs}: none of {prompt:,} messages was a second late"
    elif not late:
        yield "  none has come"


def _when(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"
