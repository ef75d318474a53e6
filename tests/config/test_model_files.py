"""What the gateway writes as YAML reads back the same."""

from pathlib import Path

from hypothesis import given

from gateway.config.model_files import yaml_text
from gateway.config.tree import Tree
from gateway.config.yaml_tree import compose
from tests.config.test_yaml_tree import VALUES


@given(VALUES)
def test_it_reads_back_the_same(tree: Tree) -> None:
    """Any tree, written and read again, is the same tree."""
    root, problems = compose(yaml_text(tree), Path("written.yaml"))
    assert problems == []
    assert root.tree() == tree


def test_it_is_easy_to_read() -> None:
    """Block style, without quotes where none are needed."""
    tree: Tree = {"lines": [{"line": "Line 01", "codes": {1: {"category": "Uptime"}, "1": []}}], "n": "007"}
    assert yaml_text(tree) == (
        'lines:\n  - line: Line 01\n    codes:\n      1:\n        category: Uptime\n      "1": []\nn: "007"\n'
    )
