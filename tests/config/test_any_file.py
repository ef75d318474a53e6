"""P10 and P8 for files that nobody thought of: never a traceback, always a place in the file, never a secret."""

import contextlib
import io
import re
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.__main__ import main
from gateway.config.files import read_yaml
from tests.config.command import EXAMPLES, GOOD, written

LINES = GOOD.splitlines(keepends=True)
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=40)
BREAKS = (
    ("type: opcua", "type: opc"),
    ("sources:", "log: {level: 5}\nsources:"),
    ("run:", "rum:"),
    ("lines:", "lines: {"),
    ("every: 60s", "every: 60"),
    ('"state == 0"', '"stat == 0"'),
    ("token:", "tokn:"),
    ("token:", "token"),
    ("  token: ", "  token, "),
    ("token: ", "token: {a: "),
    ("settle: 500ms", "settle: 500ms\n      settle: 1s"),
)


PRESETS = sorted((EXAMPLES / "presets").glob("*.yaml"))
PIECES = (*"\"'\\{[}]|\n\t", "{#", "''", ": ", " #", "- ", "&a ", "*a", "<<: ", "? ", "---\n")


def answer(content: bytes) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command on a file with `content`."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "c", content)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["check", "-c", str(path)])
        return code, out.getvalue(), err.getvalue().replace(str(path), "FILE").replace(folder, "")


def assert_judged(content: bytes) -> None:
    """The file is right, or each line on standard error names a place inside of it."""
    code, out, err = answer(content)
    assert code in {0, 2}
    assert bool(out) == (code == 0)
    assert all(": warning: " in problem for problem in err.splitlines()) == (code == 0)
    lines = re.split(r"\r\n|\n|\r", content.decode(errors="replace"))
    for problem in err.splitlines():
        if "the file is empty" in problem:
            continue
        match = re.fullmatch(r"FILE:(\d+):(\d+): .+", problem)
        assert match is not None, problem
        line, column = int(match[1]), int(match[2])
        assert 1 <= line <= len(lines), problem
        assert 1 <= column <= len(lines[line - 1]) + 1, problem


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "double", "indent", "swap"]))
def test_p10_any_changed_line(index: int, change: str) -> None:
    """A line that is dropped, doubled, indented or swapped with the next one is accepted or refused with its place."""
    lines = list(LINES)
    match change:
        case "drop":
            del lines[index]
        case "double":
            lines.insert(index, lines[index])
        case "indent":
            lines[index] = " " + lines[index]
        case "swap":
            lines[index - 1], lines[index] = lines[index], lines[index - 1]
    assert_judged("".join(lines).encode())


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, len(GOOD) - 1),
    st.sampled_from("\t\n\r\0\x07 :,-{}[]\"'\\&*!|>%@`#?~.0a_$ü\u0085\u2028\ufeff") | st.just(""),
)
def test_p10_any_changed_character(index: int, character: str) -> None:
    """One character that is wrong or missing never gives a traceback."""
    assert_judged((GOOD[:index] + character + GOOD[index + 1 :]).encode())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PRESETS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)), min_size=2, max_size=6),
)
def test_p10_any_changes_at_once(preset: Path, changes: list[tuple[float, int, str]]) -> None:
    """Where several pieces of a file are other ones, it is read to its end, and what is wrong is in it."""
    text = preset.read_text(encoding="utf-8")
    for where, length, piece in changes:
        at = round(where * len(text))
        text = text[:at] + piece + text[at + length :]
    lines = text.split("\n")
    for finding in read_yaml(text, preset)[1]:
        assert finding.position.column <= len(lines[finding.position.line - 1]) + 1


@settings(max_examples=100, deadline=None)
@example(b"{#{{}}\n{{{}}\n#\n ")  # two lines that read on when both are mended, and each alone is not
@given(st.binary(max_size=60) | st.text("a:-{}[],&*!|>'\"\n #\\x0", max_size=40).map(str.encode))
def test_p10_any_bytes(content: bytes) -> None:
    """A file of anything at all is refused with a place in it."""
    code, _, err = answer(content)
    assert code == 2
    assert_judged(content)
    assert "Traceback" not in err


@settings(max_examples=60, deadline=None)
@given(TOKENS, st.sampled_from(BREAKS), st.sampled_from(["", "'", '"']))
@example("=\"Kd6|@'r4]9K", ("token: ", "token: {a: "), "")  # mended by quotes, whose own were doubled with each guess
def test_p8_no_secret_in_any_problem(token: str, change: tuple[str, str], quote: str) -> None:
    """A token that is written into the file is in no output, whatever else is wrong with the file, itself included."""
    text = GOOD.replace("${secret:oden_token}", f"{quote}{token}{quote}").replace(*change, 1)
    code, out, err = answer(text.encode())
    assert code == 2 or change[0] not in text
    assert token not in out + err


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=40), st.sampled_from(BREAKS[:6]))
def test_p8_no_secret_from_its_file(secret: str, change: tuple[str, str]) -> None:
    """What a secret's file holds is in no output, also where it cannot be used."""
    marked = f"hush-{secret}-hush"
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "c", GOOD.replace(*change, 1))
        (path.parent / "secrets" / "oden_token").write_bytes(marked.encode(errors="surrogatepass"))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert main(["check", "-c", str(path)]) == 2
    assert "hush-" not in out.getvalue() + err.getvalue()
