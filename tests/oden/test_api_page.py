"""docs/oden-api.md names what there is: every endpoint, with its models and its place in the stand-in."""

import re
import typing
from pathlib import Path
from typing import Any

from gateway.oden.endpoints import ENDPOINTS
from gateway.oden.models import Model
from gateway.simulator.oden import model

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "oden-api.md").read_text(encoding="utf-8")


def rows() -> dict[str, list[str]]:
    """Endpoint -> the other cells of its row."""
    found = re.findall(
        r"^\| `(\w+/\w+)` \| (.+) \|$", PAGE.partition("## Endpoints")[2].partition("\n## ")[0], re.MULTILINE
    )
    return {path: cells.split(" | ") for path, cells in found}


def named(thing: Any) -> str:
    return f"`{thing.__module__.rpartition('.')[2]}.{thing.__name__}`"


def answer(gives: Any) -> str:
    if gives is object:
        return "JSON"
    many = typing.get_origin(gives) is list
    one = typing.get_args(gives)[0] if many else gives
    return ("list of " if many else "") + (named(one) if issubclass(one, Model) else "texts")


def test_the_page_has_a_row_for_each_endpoint_in_the_tables_order() -> None:
    """All 35 endpoints, none twice, none that does not exist; and something is said of each."""
    assert list(rows()) == list(ENDPOINTS)
    assert len(re.findall(r"^\| `\w+/\w+` \|", PAGE, re.MULTILINE)) == 35
    assert all(cells[3].strip() for cells in rows().values())


def test_the_page_names_the_models() -> None:
    """Request and answer of each row are those of the client's table."""
    told = {path: cells[:2] for path, cells in rows().items()}
    assert told == {path: [named(one.takes), answer(one.gives)] for path, one in ENDPOINTS.items()}


def test_the_page_names_the_stand_ins_functions() -> None:
    """The fourth column is the function that answers the endpoint in the stand-in."""
    told = {path: cells[2] for path, cells in rows().items()}
    assert told == {path: named(model.ENDPOINTS[f"/v2/{path}"]) for path in ENDPOINTS}


def test_the_page_names_only_files_that_exist() -> None:
    """Every file that is named, is there."""
    files = re.findall(r"`((?:gateway|tests)/[\w/]+(?:\.py|/))`", PAGE)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
