"""What was found, as inputs: whatever it is called, they have names of their own and read back as what they name."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.substitution import escaped
from gateway.config.yaml_tree import compose
from gateway.live.browse import matcher
from gateway.live.offer import Offer, Offers, csv_text, yaml_line
from gateway.sources.found import Found, Metric, Topic, TreeNode

NODES = st.builds(
    lambda name, value: TreeNode(f"ns=2;s={name}", "", name, 1, variable=True, type="Int32", value=value),
    st.text(min_size=1, max_size=30),
    st.one_of(st.integers(), st.text(max_size=20), st.none()),
)
TOPICS = st.builds(
    lambda topic, fields: Topic(topic, 1, said="", fields=fields),
    st.text(min_size=1, max_size=20),
    st.dictionaries(st.text(max_size=10), st.one_of(st.integers(), st.text(max_size=10)), max_size=4),
)
METRICS = st.builds(lambda name: Metric("A/B/C", name, "Int32", 1), st.text(min_size=1, max_size=20))


def offers_of(found: list[Found]) -> list[Offer]:
    offers = Offers("plc")
    return [offer for each in found for offer in offers.of(each)]


@given(st.lists(st.one_of(NODES, TOPICS, METRICS), max_size=12))
def test_what_is_offered_reads_back_as_it_is(found: list[Found]) -> None:
    """Each has a name of its own that expressions can use, in YAML and in a table."""
    offers = offers_of(found)
    names = [offer.name for offer in offers]
    assert len({*names}) == len(names)
    assert all(name.isidentifier() and name.isascii() for name in names)
    text = "inputs: {}\n" if not offers else "inputs:\n" + "".join(f"{yaml_line(offer)}\n" for offer in offers)
    root, findings = compose(text, Path("x.yaml"))
    assert not findings
    read: Any = root.tree()
    assert (read["inputs"] or {}) == {
        offer.name: {key: escaped(value) for key, value in offer.keys.items()} for offer in offers
    }
    rows = list(csv.DictReader(io.StringIO(csv_text(offers)), strict=True))
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("found", "names"),
    [
        ([TreeNode("ns=2;s=L01.PartsGood", "", "L01.PartsGood", 1, True, "Int32", 1)], ["parts_good"]),
        (
            [
                TreeNode("ns=2;i=1", "/Objects/2:L01/2:State", "State", 2, True, "Int32", 1),
                TreeNode("ns=2;i=2", "/Objects/2:L02/2:State", "State", 2, True, "Int32", 1),
            ],
            ["state", "l02_state"],
        ),
        ([TreeNode("ns=2;i=1", "/Objects/2:1st", "1st", 1, True, "Int32", 1)], ["objects_1st"]),
        ([TreeNode("ns=2;i=1", "", "in", 1, True, "Boolean", True)], ["in_1"]),
        ([TreeNode("ns=2;i=1", "", "Größe", 1, True, "Int32[]", None)], []),
        ([TreeNode("ns=2;i=1", "", "Folder", 1, False)], []),
        ([TreeNode("ns=2;i=1", "", "Broken", 1, True, "", None, problem="the server says BadX")], []),
        ([Topic("$SYS/uptime", 1, fields={"": 1}), Topic("a/b", 1, fields={"n": 1, "x.y": "z"})], ["b_n", "y"]),
        ([Topic("a/speed", 1, fields={"": 12.5})], ["speed"]),
        ([Topic("a/zone/1", 1, fields={"": 12.5}), Topic("7", 1, fields={"": 1})], ["zone_1", "_7"]),
        ([TreeNode("ns=2;i=1", "", "StückzahlÀ", 1, True, "Int32", 1)], ["stueckzahl_a"]),
        ([TreeNode("ns=2;i=1", "", "Größe", 1, True, "Int32", 1)], ["groesse"]),
        (
            [Topic("a/b", 1, fields={"m": 1, "sent_at": 1_767_592_800, "at": "2026-01-05T06:00:00Z"})],
            ["m", "sent_at"],
        ),
        ([Topic("a/b", 1, fields={"cycle_time": 12.5, "at": "05:00"})], ["cycle_time", "at"]),
        ([Topic("a/b", 1, fields={"at": "2026-01-05T06:00:00Z"})], ["at"]),
        ([Metric("A/B/C", "Counts/Good", "Int32", 1)], ["good"]),
        ([Metric("A/B/C", "Image", "File", None, "the metric holds a file")], []),
    ],
)
def test_names_say_what_they_are(found: list[Found], names: list[str]) -> None:
    """The last word that can be told apart; what no input can take is not offered."""
    assert [offer.name for offer in offers_of(found)] == names


@pytest.mark.parametrize(
    ("text", "name", "fits"),
    [
        ("", "anything", True),
        ("good", "L01.Good", True),
        ("L0?.Good", "L01.good", True),
        ("Good", "L01.Bad", False),
        ("*good", "L01.Good", True),
        ("*good", "L01.Goods", False),
        ("[1]*", "[1] Good", True),
    ],
)
def test_a_name_matches_a_part_of_it_or_a_pattern(text: str, name: str, fits: bool) -> None:
    assert matcher(text)(name) is fits
