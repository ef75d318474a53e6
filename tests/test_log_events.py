"""The catalogue of the log in docs/log.md: each event of the code, with its level, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gateway.status.journal import EVENTS

ROOT = Path(__file__).parent.parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
ROW = re.compile(r"^\| (?P<events>`[^|]*`) \| (?P<level>[a-z]+) \| .+ \|$", re.MULTILINE)


def events_of(path: Path) -> Iterator[tuple[str, str]]:
    """What a module logs: event and level. The supervisor hands its level over."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log"), attr=level), args=[ast.Constant(event), *_]):
                if level in LEVELS:
                    yield str(event), "error" if level == "exception" else level
            case ast.Call(func=ast.Attribute(attr="_log"), args=[ast.Constant(level), ast.Constant(event), *_]):
                yield str(event), str(level)


def test_the_catalogue_has_each_event_of_the_gateway() -> None:
    """Whoever writes rules for a log finds in it what can come. The stand-ins for Oden and plant have a log of their
    own.
    """
    modules = [path for path in (ROOT / "gateway").rglob("*.py") if "simulator" not in path.parts]
    logged = {event for path in modules for event in events_of(path)}
    told = {
        (event.strip("`"), row["level"])
        for row in ROW.finditer((ROOT / "docs" / "log.md").read_text())
        for event in row["events"].split(", ")
    }
    assert told == logged | {(event, "warning") for event in EVENTS.values()}
