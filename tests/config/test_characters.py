"""P10: what is wrong within a text is told at its own line and column, however the text is written."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.events import ScalarEvent

from gateway.__main__ import main
from gateway.config.characters import index_of
from tests.config.factory import HEAD, HERE, LINE, WHEN, places_of, slip, spoilt
from tests.config.plant import PLANT, planted

SIGNS = st.text(st.sampled_from("ab =<>'\"\\#:&|-ä\u2028\n"), min_size=1, max_size=30)


def scalar_of(text: str) -> ScalarEvent:
    (event,) = [each for each in YAML(typ="safe", pure=True).parse(text) if isinstance(each, ScalarEvent)]
    return event


def in_double_quotes(text: str, escaped: frozenset[int]) -> tuple[str, list[int]]:
    """`text` in double quotes, with the characters at these places written by their numbers; where each of it is."""
    written, places = '"', []
    for at, sign in enumerate(text):
        places.append(len(written))
        plain = sign not in '"\\\n\u2028' and at not in escaped
        written += sign if plain else f"\\u{ord(sign):04x}"
    return f'{written}"', places


@settings(max_examples=200, deadline=None)
@given(SIGNS, st.frozensets(st.integers(0, 30)))
def test_each_character_of_a_text_in_double_quotes(text: str, escaped: frozenset[int]) -> None:
    written, places = in_double_quotes(text, escaped)
    assert scalar_of(written).value == text
    assert [index_of(written, 0, text, at) for at in range(len(text))] == places


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["|", ">", "|-", ">-", "|2", ">+"]),
    st.lists(st.sampled_from(["x", "x = y", "", "  more", "y  ", "# z", "ä"]), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
def test_each_character_of_a_text_in_lines_of_its_own(sign: str, lines: list[str], end: str) -> None:
    """Each visible character is where it is written: in order."""
    written = f"k: {sign}{end}" + "".join(f"  {line}{end}" for line in ("x", *lines))
    key, scalar = [each for each in YAML(typ="safe", pure=True).parse(written) if isinstance(each, ScalarEvent)]
    value, begin = scalar.value, scalar.start_mark.index
    for at, character in enumerate(value):
        index = index_of(written, begin, value, at)
        if not character.isspace():
            assert index is not None
            assert written[index] == character
            assert written[:index].count(character) == value[:at].count(character) + (key.value + sign).count(character)


@pytest.mark.parametrize(
    ("written", "value", "at", "index"),
    [
        ("a\n  b", "a b", 2, 4),
        ("a\n\n  b", "a\nb", 2, 5),
        ("'it''s x'", "it's x", 5, 7),
        ("'a\n  b'", "a b", 2, 5),
        ('"a\\\n  b"', "ab", 1, 6),
        ('"a\\\n  bc"', "abc", 2, 7),
        ('&name "ab"', "ab", 1, 8),
        ('"ab"', "ab", 2, 3),
        ("ab # comment", "ab", 2, 2),
        ("other", "value", 3, None),
        ('"other', "value", 3, None),
    ],
)
def test_each_way_to_write_a_text(written: str, value: str, at: int, index: int | None) -> None:
    assert index_of(written, 0, value, at) == index


FAST = f"start: {{when: {WHEN}}}"
WRITTEN = (
    "start: {when: speed ▲= 5.0}",
    "start: {when: 'speed > ▲5,0'}",
    "start: {when: 't1 == ''on'' && speed > ▲5,0'}",
    'start: {when: "t1 == \\"on\\" && speed > ▲5,0"}',
    'start: {when: "t1 == \\u0027on\\x27 && speed > ▲5,0"}',
    'start: {when: "t1 == 1 &&\n          speed > ▲5,0"}',
    "start:\n          when: >-\n            t1 == 1 &&\n            speed > ▲5,0\n       ",
    "start:\n          when: |\n            t1 == 1\n\n            && speed > ▲5,0\n       ",
    "start:\n          when: &fast t1 == 1\n            && speed > ▲5,0\n       ",
    "start: {when: 'bit(t1, 3) && bit(t2, 11) && speed ▲= 5.0'}",
)


def told(folder: Path, files: Mapping[str, str], main_file: str = "gateway.yaml") -> list[str]:
    """What `check` says of these files, each with the name of its file alone."""
    path = planted(folder, files)
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
        main(["check", "-c", str(path)])
    return [line.replace(f"{folder}/", "") for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("written", WRITTEN)
def test_p10_a_condition_however_it_is_written(written: str, tmp_path: Path) -> None:
    """The place is that of the number, and not that of the condition."""
    block = "\n" in written and "{" not in written
    old = f'- {{type: Fast, {FAST}, end: {{when: "speed < 4.0"}}}}'
    new = f"- type: Fast\n        {written} end: {{when: speed < 4.0}}" if block else old.replace(FAST, written)
    marked = HEAD + spoilt(LINE, slip(old, new))
    (said,) = told(tmp_path, {"gateway.yaml": marked.replace(HERE, "")})
    (place,) = places_of(marked)
    assert said.startswith(f"{place}: this is not an expression: write")


def test_p10_what_is_wrong_twice_is_told_once_with_both_places(tmp_path: Path) -> None:
    marked = HEAD + spoilt(LINE, slip(WHEN, '"speed > 5.0 ▲and t1 == 1 ▲and t2 == 1"'))
    (said,) = told(tmp_path, {"gateway.yaml": marked.replace(HERE, "")})
    first, second = places_of(marked)
    assert said.startswith(f'{first}: this is not an expression: write "&&" for "and"')
    assert said.endswith(f"(also at {second.partition(':')[2]})")


def test_p10_each_mistake_of_a_text_has_its_own_place(tmp_path: Path) -> None:
    line = spoilt(LINE, slip('lot: "{order}"', 'lot: "{▲ordr} of {▲ sku } to {▲speed.value}"'))
    line = spoilt(line, slip(WHEN, '"▲sped > ▲5,0 ▲AND t1 ▲= 1"'))
    marked = HEAD + line
    said = told(tmp_path, {"gateway.yaml": marked.replace(HERE, "")})
    assert sorted(each.split(": ")[0] for each in said) == sorted(places_of(marked))


RULE = 'rules: [{set: target, when: "WHEN", product: A, metric_group: G, value: 1}]\n'


@pytest.mark.parametrize(
    ("when", "given", "place", "column"),
    [
        ("good > ${limit} && good < ▲5,0", 'limit: "1000"', "gateway.yaml", 0),
        ("good > ▲${limit} && good < 5", 'limit: "5,0"', "gateway.yaml", 0),
        ("${when}", 'when: "good > ▲5,0"', "lines.csv", 0),
    ],
)
def test_p10_a_condition_of_a_template(when: str, given: str, place: str, column: int, tmp_path: Path) -> None:
    """The place is in the template; where that is filled in, it is what is filled in, or stands where it is given."""
    name, _, value = given.partition(": ")
    main_file = PLANT["gateway.yaml"].replace("    states:\n", f"    {RULE.replace('WHEN', when)}    states:\n", 1)
    rows = f"line,plc,rollover,{name}\nLine 01,L01,,{value}\nLine 02,L02,1000,{value}\n"
    special = PLANT["lines/special.yaml"].replace("{plc: L09", f"{{{given.replace(HERE, '')}, plc: L09")
    files = {**PLANT, "gateway.yaml": main_file, "lines.csv": rows, "lines/special.yaml": special}
    marked = files[place].split("\n")
    number, text = next((number, text) for number, text in enumerate(marked, 1) if HERE in text)
    said = told(tmp_path, {name: text.replace(HERE, "") for name, text in files.items()})
    assert f"{place}:{number}:{text.index(HERE) + 1}" in [each.split(": ")[0] for each in said]
    assert len(said) == (1 if place == "gateway.yaml" else 3)


def test_p10_of_a_variable_of_the_environment_the_character_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no line there."""
    monkeypatch.setenv("ODEN_GATEWAY_LINES__0__INTERVALS__1__START__WHEN", "speed > 5,0")
    (said,) = told(tmp_path, {"gateway.yaml": HEAD + LINE})
    assert "INTERVALS__1__START__WHEN" in said
    assert "at character 9: this is not an expression: write the number with a point" in said


def test_p10_of_a_text_that_is_wrong_nothing_is_warned_besides(tmp_path: Path) -> None:
    """Such as that it is nearly another one: it is, once it is mended."""
    other = spoilt(LINE, slip('"PLC code {state}"', '"PLC code {state}▲}"'))
    marked = HEAD + LINE + other.replace("Line 00", "Line 01").replace("L00", "L01")
    (said,) = told(tmp_path, {"gateway.yaml": marked.replace(HERE, "")})
    (place,) = places_of(marked)
    assert said.startswith(f'{place}: a lone "}}"')
