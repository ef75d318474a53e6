"""Each kind of thing that `check --live` can find has a test that does what it says to do about it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from gateway.health import KindName
from gateway.live.cures import CONCERNS, FindingKind

HERE = Path(__file__)
SOURCES = HERE.parents[2] / "gateway" / "sources"


def done_in(module: Path) -> Iterator[str]:
    """The kinds in its tables of what is done: by kind and what it is about, a function that does it."""
    for table in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(table, ast.Dict):
            for key, does in zip(table.keys, table.values, strict=True):
                if isinstance(key, ast.Tuple) and isinstance(does, ast.Name | ast.Call):
                    [kind, _] = key.elts
                    assert isinstance(kind, ast.Constant), ast.unparse(key)
                    yield str(kind.value)


def test_what_is_to_be_done_about_each_kind_is_done_by_a_test() -> None:
    """By one of those that follow what is printed to the letter; and they name no kind that there is not."""
    done = {kind for module in HERE.parent.glob("test_cures_*.py") for kind in done_in(module)}
    assert set(get_args(FindingKind)) == done


def test_there_is_a_cure_for_each_concern_of_a_source() -> None:
    """Which those are is written where sources are."""
    texts = (file.read_text(encoding="utf-8") for file in SOURCES.rglob("*.py"))
    named = {
        node.value
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert CONCERNS.keys() == named & {*get_args(KindName)}
