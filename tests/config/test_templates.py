"""Templates, tables and included files: what is written short means the same as what is written out."""

import csv
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.startup import read_config
from gateway.config.files import Files
from gateway.config.loader import load
from gateway.config.model_files import yaml_text
from gateway.config.schema_mqtt import MqttConfig
from gateway.config.substitution import escaped
from gateway.config.templates import expand_templates
from gateway.config.tree import Key, Tree
from gateway.config.yaml_tree import compose
from gateway.errors import ConfigError
from gateway.model import Scalar
from tests.config.command import GOOD, TOKEN, check
from tests.config.plant import PLANT, planted

FILE = Path("gateway.yaml")
GOLDEN = Path(__file__).parent / "golden"
ENVIRON = {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN}

LETTERS = st.sampled_from(["a", "b", "c", "d"])
SINGLE = st.none() | st.booleans() | st.integers(-99, 999) | st.text("xyz 0$", max_size=5)
PARAMETERS = st.fixed_dictionaries({"p": SINGLE, "q": st.text("xyz", min_size=1), "r": st.integers(0, 99)})
TEXTS = st.sampled_from(["${p}", "${q}", "${r}", "s=${q}.State", "${q}/${r}", "$${q}", "{order} ${r}", "$", "${"])
TREES = st.recursive(
    TEXTS | SINGLE,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(LETTERS, below, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(LETTERS, TREES, max_size=4)


def by_hand(tree: Tree, values: dict[str, Scalar]) -> Tree:
    """`tree` with the parameters put in as a person would, by search and replace."""
    if isinstance(tree, dict):
        return {key: by_hand(item, values) for key, item in tree.items()}
    if isinstance(tree, list):
        return [by_hand(item, values) for item in tree]
    if not isinstance(tree, str):
        return tree
    for name, value in values.items():
        if tree == f"${{{name}}}":
            return value
        tree = tree.replace(f"$${{{name}}}", "\0").replace(f"${{{name}}}", str(value)).replace("\0", f"${{{name}}}")
    return tree


def laid_over(base: Tree, over: Tree) -> Tree:
    """The rule in the reference, on plain values: tables key by key, other values replace, None takes away."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    both = {key: laid_over(base[key], over[key]) for key in base.keys() & over.keys() if over[key] is not None}
    alone: dict[Key, Tree] = {key: value for key, value in (base | over).items() if (key in base) != (key in over)}
    return both | alone


@settings(deadline=None)
@given(BODIES, BODIES, PARAMETERS)
def test_a_line_from_a_template_is_the_line_written_by_hand(
    body: dict[Key, Tree], own: dict[Key, Tree], values: dict[str, Scalar]
) -> None:
    """Whatever a template and a line hold, with whatever parameters: filled in and laid over each other."""
    used = {
        name: value for name, value in values.items() if f"${{{name}}}" in json.dumps([body, own]).replace("$${", "")
    }
    line: dict[Key, Tree] = {"use": "t", "with": dict(used.items()), "line": "L", **own}
    root, _ = compose(json.dumps({"templates": {"t": body}, "lines": [line]}), FILE)
    files = Files()
    written = expand_templates(root, files)
    assert files.findings == []
    expected = laid_over(by_hand(body, values), {"line": "L", **dict(by_hand(own, values).items())})  # type: ignore[union-attr]
    assert written.tree() == {"lines": [expected]}


@given(st.text('$ab{}"x', max_size=12))
def test_what_is_escaped_is_filled_in_as_it_was(text: str) -> None:
    """Text that is escaped stands in a line as it is, whatever is in it."""
    root, _ = compose(json.dumps({"lines": [{"a": escaped(text)}]}), FILE)
    files = Files()
    assert expand_templates(root, files).tree() == {"lines": [{"a": text}]}
    assert files.findings == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text("LN0123_-", min_size=1, max_size=5), min_size=1, max_size=6, unique=True))
def test_lines_from_a_table_are_the_lines_written_out(names: list[str]) -> None:
    """The example's line as a template for a table of lines, and the same lines one by one, are one configuration."""
    quoted = re.sub(r"topic: ([^\s,}]+)", r'topic: "\1"', GOOD)
    head, line = quoted[: quoted.index("lines:")], quoted[quoted.index("    inputs:") :]
    template = (
        "templates:\n  extruder:\n" + line.replace("L01", "${plc}") + "lines:\n  - {file: lines.csv, use: extruder}\n"
    )
    lines = "".join(f"  - factory: Factory A\n    line: Line {name}\n{line.replace('L01', name)}" for name in names)
    table = io.StringIO()
    rows = [["Factory A", f"Line {name}", name] for name in names]
    csv.writer(table).writerows([["factory", "line", "plc"], *rows])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lines.csv").write_text(table.getvalue(), encoding="utf-8")
        (folder / "short.yaml").write_text(head + template, encoding="utf-8")
        (folder / "long.yaml").write_text(f"{head}lines:\n{lines}", encoding="utf-8")
        short = load(folder / "short.yaml", ENVIRON).config
        long = load(folder / "long.yaml", ENVIRON).config
    assert short == long


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_golden(case: str, tmp_path: Path) -> None:
    """`check --expanded` prints the file `expected.yaml` of each case, which reads as the same configuration."""
    folder = GOLDEN / case
    loaded, _ = read_config(folder / "gateway.yaml", ENVIRON)
    printed = yaml_text(loaded.expanded()).replace(f"{folder}/", "")
    assert printed == (folder / "expected.yaml").read_text(encoding="utf-8")
    again = tmp_path / "gateway.yaml"
    again.write_text(yaml_text(loaded.expanded()), encoding="utf-8")
    reread, _ = read_config(again, ENVIRON)
    assert reread.config.lines == loaded.config.lines
    assert reread.config.sources == loaded.config.sources


def test_p8_expanded_shows_no_secret(tmp_path: Path) -> None:
    """A reference to a secret stays a reference; a secret that is written into the file is masked."""
    sources = PLANT["sources.yaml"].replace("edge-01", "edge-01, password: very-secret")
    answer = check(planted(tmp_path, {**PLANT, "sources.yaml": sources}), "--expanded")
    assert answer.code == 0, answer.problems
    assert 'token: "${secret:oden_token}"' in answer.output
    assert 'password: "**********"' in answer.output
    assert TOKEN not in answer.output
    assert "very-secret" not in answer.output
    as_json = check(tmp_path / "gateway.yaml", "--expanded", "--json").output
    assert json.loads(as_json)["lines"][0]["line"] == "Line 01"


def test_the_environment_reaches_lines_from_templates(tmp_path: Path) -> None:
    """A line's value from a template, a table or another file is overridden like any other, for that line only."""
    path = planted(tmp_path)
    variables = {
        "ODEN_GATEWAY_LINES__1__INPUTS__GOOD__COUNTER__ROLLOVER": "512",
        "ODEN_GATEWAY_LINES__1__STATES__CODES__1__CATEGORY": "Running",
        "ODEN_GATEWAY_SOURCES__FLOOR__CLIENT_ID": "other",
    }
    loaded, _ = read_config(path, ENVIRON | variables)
    rollovers = [line.inputs["good"].counter.rollover for line in loaded.config.lines if line.inputs["good"].counter]
    assert rollovers == [65536, 512, 256]
    categories = [line.states.codes[1].category for line in loaded.config.lines if line.states]
    assert categories == ["Uptime", "Running", "Uptime"]
    where = loaded.where(("lines", 1, "states", "codes", 1, "category"))
    assert where == "environment variable ODEN_GATEWAY_LINES__1__STATES__CODES__1__CATEGORY"
    assert "category: Running" in check(path, "--expanded", variables=variables).output


def test_where_points_into_the_file_in_which_it_is_written(tmp_path: Path) -> None:
    """Values of a line come from the line, the template, the parameter, the table: each is found there."""
    path = planted(tmp_path)
    loaded, _ = read_config(path, ENVIRON)
    positions = {
        ("line",): "lines.csv:3:1",
        ("run", "settle"): "gateway.yaml:9:66",
        ("inputs", "good", "node"): "tags.csv:3:16",
        ("inputs", "good", "counter", "rollover"): "lines.csv:3:13",
        ("states", "codes", 2, "reason"): "codes.csv:3:20",
    }
    for loc, where in positions.items():
        assert loaded.where(("lines", 1, *loc)) == f"{tmp_path}/{where}"
    assert loaded.where(("sources", "floor", "url")) == f"{tmp_path}/sources.yaml:3:28"


def test_p8_a_password_is_taken_as_it_is(tmp_path: Path) -> None:
    """In a password nothing is filled in, and what looks like a parameter in it is not complained of."""
    sources = PLANT["sources.yaml"].replace("edge-01", 'edge-01, password: "a${b}$${c}"')
    floor = load(planted(tmp_path, {**PLANT, "sources.yaml": sources}), ENVIRON).config.sources["floor"]
    assert isinstance(floor, MqttConfig)
    assert floor.password is not None
    assert floor.password.get_secret_value() == "a${b}$${c}"


def test_the_page_about_templates_is_right(tmp_path: Path) -> None:
    """What a person copies from docs/templates.md works: the template, its lines, the tables."""
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
    template, third, table, tags, include, tables = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    lines, tags_csv = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    fourth = (
        f"  - factory: Factory A\n    line: Line 04\n    use: extruder\n    with: {{plc: L04, rollover: 512}}\n{tags}"
    )
    main = "oden: {token: x}\ninclude: [sources.yaml]\n" + template + third + fourth
    sources = PLANT["sources.yaml"]
    files = {"sources.yaml": sources, "lines.csv": lines, "tags.csv": tags_csv, "codes.csv": PLANT["codes.csv"]}
    config = load(planted(tmp_path / "a", {"gateway.yaml": main, **files}), ENVIRON).config
    first, second, other, tabled = config.lines
    rollovers = [line.inputs["good"].counter and line.inputs["good"].counter.rollover for line in config.lines]
    assert (rollovers, other.scrap_yield, "speed" in other.inputs) == ([65536, 256, 65536, 512], None, True)
    assert tabled.states is not None
    assert list(tabled.states.codes) == [9, 1, 2, 3]
    short = "oden: {token: x}\ninclude: [sources.yaml]\n" + template[: template.index("lines:")] + table
    assert load(planted(tmp_path / "b", {"gateway.yaml": short, **files}), ENVIRON).config.lines == [first, second]
    several = "oden: {token: x}\n" + include + template[: template.index("lines:")] + tables
    parts = {"lines/third.yaml": f"lines:\n{third}", "products.csv": "sku,name\n4711,Film 20\n"}
    loaded = load(planted(tmp_path / "c", {"gateway.yaml": several, **files, **parts}), ENVIRON)
    assert loaded.config.lines == [other]
    assert loaded.lookups["products"].columns == {"name"}


def test_every_problem_at_once(tmp_path: Path) -> None:
    """Mistakes in several files are all said in one go, and one that many lines share is said once."""
    files = {
        **PLANT,
        "codes.csv": PLANT["codes.csv"].replace("reason", "reson"),
        "tags.csv": PLANT["tags.csv"].replace("5/s", "5"),
        "lines.csv": PLANT["lines.csv"] + "Line 03,,\n",
        "lines/special.yaml": PLANT["lines/special.yaml"].replace("use: extruder", "use: extuder"),
    }
    answer = check(planted(tmp_path, files))
    assert answer.code == 2
    assert [problem.split(": ")[0] for problem in answer.problems] == [
        "lines.csv:4:1",
        "lines/special.yaml:4:10",
        "tags.csv:3:49",
        "codes.csv:1:15",
    ]


def test_an_alias_bomb_of_templates(tmp_path: Path) -> None:
    """Templates that would write out without end are refused with a place, soon."""
    many = "[" + ", ".join(["0"] * 900) + "]"
    lines = "".join(f"  - {{factory: A, line: L{n}, use: t}}\n" for n in range(600))
    text = f"templates: {{t: {{a: {many}}}}}\nlines:\n{lines}"
    answer = check(planted(tmp_path, {"gateway.yaml": text}))
    assert (answer.code, len(answer.problems)) == (2, 1)
    assert "500000 values" in answer.problems[0]


def chained(length: int) -> str:
    """A line and `length` templates, each of which uses the next."""
    inner = "".join(f"  t{n}: {{use: t{n + 1}}}\n" for n in range(length - 1))
    return f"templates:\n{inner}  t{length - 1}: {{id: x}}\nlines:\n  - {{use: t0}}\n"


def wrapped(levels: int) -> str:
    """Templates that give on their parameter in as many more lists as a file can be deep."""
    inner = "".join(f"  t{n}: {{use: t{n + 1}, with: {{a: {'[' * 30}'${{a}}'{']' * 30}}}}}\n" for n in range(levels))
    return f"templates:\n{inner}  t{levels}: {{id: '${{a}}'}}\nlines:\n  - {{use: t0, with: {{a: 1}}}}\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"gateway.yaml": chained(900)}, "chain of more than 10 templates"),
        ({"gateway.yaml": wrapped(9)}, "40 levels"),
        (
            {"gateway.yaml": "include: [0.yaml]\n"}
            | {f"{n}.yaml": f"include: [{n + 1}.yaml]\n" for n in range(1500)}
            | {"1500.yaml": "x: 1\n"},
            "unknown key 'x'",
        ),
    ],
    ids=["chain", "wrapped", "includes"],
)
def test_p12_what_goes_on_and_on(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """Chains of templates and parameters in parameters are limited; included files may be many. Never a traceback."""
    path = planted(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    assert words in str(caught.value)
