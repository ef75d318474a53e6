"""Tables in which inputs are looked up: what is read from the file."""

from pathlib import Path

import pytest

from gateway.config.lookups import read_lookups, stamps
from gateway.config.schema import LookupTable
from gateway.model import Lookup


def read(path: Path, text: str, key: str | None = None) -> Lookup:
    """The table that a file with `text` is."""
    path.write_text(text, encoding="utf-8", newline="")
    return read_lookups({"table": LookupTable(file=path, key=key)}, lambda _: "somewhere")["table"]


def test_rows_are_found_by_a_column(tmp_path: Path) -> None:
    """By the column that is named, wherever it stands, or else by the first; the key as it is written."""
    text = "\ufeffname;sku;weight\r\nPipe;007;1,5\r\nHose;12E4;\r\n"
    by_sku = read(tmp_path / "t.csv", text, "sku")
    assert by_sku.columns == {"name", "weight"}
    assert by_sku.rows == {"007": {"name": "Pipe", "weight": 1.5}, "12E4": {"name": "Hose"}}
    assert read(tmp_path / "t.csv", text).rows["Hose"] == {"sku": "12E4"}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "2", "-3"], [1, 2, -3]),
        (["1", "2.50", "0"], [1, 2.5, 0]),
        (["1", "02", "3"], ["1", "02", "3"]),
        (["1", "x", "3"], ["1", "x", "3"]),
        (["12E4", "1", "2"], ["12E4", "1", "2"]),
        (["true", "1", "no"], ["true", "1", "no"]),
        (["1234567890123456789", "1", "2"], ["1234567890123456789", "1", "2"]),
    ],
)
def test_a_column_is_numbers_or_text(tmp_path: Path, cells: list[str], values: list[object]) -> None:
    """Numbers only where every cell is one, and would be written the same again; else all of the column is text."""
    rows = read(tmp_path / "t.csv", "key,value\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))).rows
    assert [row["value"] for row in rows.values()] == values
    assert [type(row["value"]) for row in rows.values()] == [type(value) for value in values]


def test_what_is_not_there(tmp_path: Path) -> None:
    """Unknown rows, unknown columns and empty cells are nothing."""
    table = read(tmp_path / "t.csv", "key,a,b\n1,x,\n")
    assert (table.find("1", "a"), table.find("1", "b"), table.find("1", "c"), table.find("2", "a")) == (
        "x",
        None,
        None,
        None,
    )


def test_a_change_is_noticed(tmp_path: Path) -> None:
    """A file that is written, replaced or removed has another stamp."""
    path = tmp_path / "t.csv"
    tables = {"table": LookupTable(file=path)}
    seen = [stamps(tables)]
    path.write_text("key,a\n")
    seen.append(stamps(tables))
    path.write_text("key,a\n1,x\n")
    seen.append(stamps(tables))
    other = tmp_path / "other"
    other.write_text("key,a\n2,x\n")
    other.replace(path)
    seen.append(stamps(tables))
    assert len(set(seen)) == len(seen)
    assert stamps(tables) == seen[-1]
