"""P10 for any configuration of several files: never a traceback, always a position in one of the files."""

import contextlib
import io
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.__main__ import main
from tests.config.plant import PLANT, planted

CHARACTERS = st.sampled_from("\t\n\r\0\x07 :,;-{}[]\"'&*~$.0a_ü\u2028\ufeff") | st.just("")
FILES = sorted(PLANT)
PIECES = st.sampled_from(
    ["${plc}", "${", "${}", "use: base", "file: codes.csv", "include: [a.yaml]", "with: {a: 1}", "~", '"', "*", "; ;"]
)


def assert_judged(files: dict[str, str]) -> None:
    """The files are right, or each line on standard error names a place inside one of them."""
    with tempfile.TemporaryDirectory() as folder:
        path = planted(Path(folder), files)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["check", "-c", str(path)])
        printed = err.getvalue().replace(f"{folder}/", "")
    assert code in {0, 2}
    assert all(": warning: " in problem for problem in printed.splitlines()) == (code == 0)
    for problem in printed.splitlines():
        if problem.startswith("gateway.yaml: the file is empty"):
            continue
        match = re.match(r"([a-z/]+\.(?:yaml|csv)):(\d+):(\d+): .+", problem)
        assert match is not None, problem
        lines = re.split(r"\r\n|\n|\r", files[match[1]])
        line, column = int(match[2]), int(match[3])
        assert 1 <= line <= len(lines), problem
        assert 1 <= column <= len(lines[line - 1]) + 1, problem


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), CHARACTERS)
def test_p10_any_changed_character(name: str, part: float, character: str) -> None:
    """One character of one file that is wrong or missing never gives a traceback."""
    text = PLANT[name]
    index = int(part * len(text))
    assert_judged({**PLANT, name: text[:index] + character + text[index + 1 :]})


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), PIECES)
def test_p10_any_piece_anywhere(name: str, part: float, piece: str) -> None:
    """What templates, tables and included files are written with, put anywhere, never gives a traceback."""
    text = PLANT[name]
    index = int(part * len(text))
    assert_judged({**PLANT, name: text[:index] + piece + text[index:]})


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_p10_any_changed_line(name: str, data: st.DataObject) -> None:
    """A line that is dropped, doubled or swapped with the one before is accepted or refused with its position."""
    lines = PLANT[name].splitlines(keepends=True)
    index = data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["drop", "double", "swap"])):
        case "drop":
            del lines[index]
        case "double":
            lines.insert(index, lines[index])
        case "swap":
            lines[index - 1], lines[index] = lines[index], lines[index - 1]
    assert_judged({**PLANT, name: "".join(lines)})
