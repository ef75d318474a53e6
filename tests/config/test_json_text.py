"""JSON as people write it: what is no JSON is told in plain words at its place, and each value is found there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.json_text import JsonFlaws, read_all, read_json
from gateway.config.message_schemas import (
    MessageSchema,
)


def _inner(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4)


JSON = (
    ('{"type": ▲', "the file ends before all brackets are closed"),
    ('{"type": "object"▲,}', "one ',' too many"),
    ('{"type": "object" ▲"required": []}', "a ',' is missing before this"),
    ('{▲type: "object"}', 'stands in double quotes: "type"'),
    ("{▲'type': 'object'}", "double quotes"),
    ('{"type": "object"}▲}', "one '}' too many"),
    ('{"type": "object"} ▲more', "remove the rest"),
    ('{"type": ▲“object”}', "curly quotes"),
    ('{\n  ▲// a comment\n  "type": "object"\n}', "no comments"),
    ('{\n  ▲# a comment\n  "type": "object"\n}', "no comments"),
    ('{"uniqueItems": ▲True}', "write true"),
    ('{"type": ▲object}', 'a text stands in double quotes: "object"'),
    ('{"type": "object▲\n}', "a quote is missing before it"),
    ('{"type": ▲"object', "never closed"),
    ('{"minimum": ▲0,5}', "a decimal comma: write the number with a point, 0.5"),
    ('{"minimum": ▲.5}', "one digit before its point"),
    ('{"minimum": ▲NaN}', "no number of JSON"),
    ('{"pattern": "▲\\d+"}', "a backslash is written twice"),
    ('{"type" ▲= "object"}', "write ':' in the place of '='"),
    ('{"type": "object",▲\u00a0"required": []}', "a no-break space (U+00A0)"),
    ("▲", "nothing is written here"),
    ("▲type: object\nrequired: [qty]\n", "another language"),
    ("▲<schema/>", "another language"),
    ('{"type": "object", ▲"type": "array"}', "'type' is there already"),
)


@pytest.mark.parametrize(("marked", "why"), JSON)
def test_p10_what_is_no_json_is_told_in_plain_words_at_its_place(marked: str, why: str) -> None:
    with pytest.raises(JsonFlaws) as refused:
        MessageSchema("scrap.json", marked.replace("▲", ""))
    assert refused.value.flaws[0].at == marked.index("▲")
    assert why in str(refused.value)


MANY = """\
{
  ▲'type': "object",
  "properties": {
    "a": {"type": "number" ▲"minimum": ▲0,5},
    ▲// in pieces
    "b": {"type"▲= "string", "pattern": "▲\\d+"},
    "c": {"type": ▲string, "default": ▲True▲,},
    ▲“d”: {"minimum": ▲+5}
  },
  "required": ["a", "b"▲,]
}
"""


def test_p10_all_that_is_wrong_with_json_is_told_in_one_run_each_at_its_place() -> None:
    """What is behind a mistake is read with that mended."""
    written = MANY.replace("▲", "")
    with pytest.raises(JsonFlaws) as refused:
        MessageSchema("scrap.json", written)
    pieces = MANY.split("▲")
    assert [flaw.at for flaw in refused.value.flaws] == [len("".join(pieces[:n])) for n in range(1, len(pieces))]
    assert refused.value.mended is not None
    assert json.loads(refused.value.mended.text)["properties"]["a"] == {"type": "number", "minimum": 0.5}


@given(text=st.text(alphabet="{}[]:,\"' ab1.-#/\\\n\t“”", max_size=40))
def test_p10_whatever_is_no_json_is_told_within_the_text(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(JsonFlaws) as refused:
            read_all(text)
        assert all(0 <= flaw.at <= len(text) for flaw in refused.value.flaws)


@given(
    document=st.recursive(st.one_of(st.integers(), st.text(), st.booleans(), st.none()), _inner, max_leaves=20),
    wide=st.booleans(),
)
def test_every_value_and_name_is_found_where_it_stands(document: object, *, wide: bool) -> None:
    """Whatever is in the texts, and however the file is laid out."""
    text = json.dumps(document, indent=2 if wide else None, ensure_ascii=wide)
    read, places = read_json(text)
    assert read == document
    for way, at in places.items():
        value, is_name = document, way[-1:] == (None,)
        for part in way[:-2] if is_name else way:
            value = value[part]  # type: ignore[index]
        expected = way[-2] if is_name else value
        assert json.JSONDecoder().raw_decode(text, at)[0] == expected
