"""Reading CSV: what spreadsheets write is read as they mean it, and each cell knows where it stands."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.csv_tables import read_csv, typed
from gateway.config.schema_base import Duration
from gateway.config.tree import Node, Position
from gateway.model import Scalar

FILE = Path("table.csv")
CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.sampled_from('",;\n'), max_size=8
)
NAMES = st.text('abcdefgh .ü"', min_size=1, max_size=6).map(str.strip).filter(bool)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """A header and rows of equal length, none of them empty; blanks around a cell do not count, so there are none."""
    header = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    row = st.lists(CELLS.map(str.strip), min_size=len(header), max_size=len(header)).filter(any)
    return [header, *draw(st.lists(row, min_size=1, max_size=5))]


@given(
    tables(),
    st.sampled_from(",;"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_spreadsheet_writes(table: list[list[str]], separator: str, end: str, quoting: int) -> None:
    """With either separator, either line end, with and without quotes, the cells are those that were written."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    sheet = read_csv(out.getvalue(), FILE)
    assert list(sheet.headings) == table[0]
    read = [{name: cell.written for name, cell in row.cells.items()} for row in sheet.rows]
    assert read == [{name: cell for name, cell in zip(table[0], row, strict=True) if cell} for row in table[1:]]


@given(tables(), st.sampled_from(",;"))
def test_each_cell_stands_at_its_place(table: list[list[str]], separator: str) -> None:
    """Line and column of a cell are where its text or opening quote begins, also after cells of several lines."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    text = out.getvalue()
    lines = text.split("\n")
    for row in read_csv(text, FILE).rows:
        for cell in row.cells.values():
            assert cell.position.file == FILE
            after = "\n".join([lines[cell.position.line - 1][cell.position.column - 1 :], *lines[cell.position.line :]])
            assert after.startswith('"' + cell.written.replace('"', '""') + '"')


def test_rows_without_anything_are_passed_over() -> None:
    """Spreadsheets write rows of separators below a table; blank lines stand anywhere."""
    sheet = read_csv("\n a ;b\r\n;\r\n\r\n 1 ; x y \r\n;;\n".replace(";;\n", ";\n"), FILE)
    assert [{name: cell.written for name, cell in row.cells.items()} for row in sheet.rows] == [{"a": "1", "b": "x y"}]
    assert sheet.rows[0].position.line == 5


def test_one_column() -> None:
    """A table of one column has no separator at all."""
    assert [row.cells["name"].written for row in read_csv("name\nx\ny", FILE).rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("text", "separator", "annotation", "value"),
    [
        ("65536", ",", int | None, 65536),
        ("1.5", ",", float, 1.5),
        ("1,5", ";", float, 1.5),
        ("1,5", ",", float, "1,5"),
        ("1,5", ";", str, "1,5"),
        ("true", ",", bool, True),
        ("5/s", ",", Duration, "5/s"),
        ("007", ",", str, "007"),
        ("12E4", ",", str, "12E4"),
        ("7", ",", int | str, 7),
        ("007", ",", int | str, "007"),
        ("no", ",", Scalar, "no"),
        ("0", ",", Scalar, 0),
    ],
)
def test_a_cell_is_what_its_place_asks_for(text: str, separator: str, annotation: object, value: Scalar) -> None:
    """Text where the schema has text, else a number. Leading zeros are kept; with ';' a decimal comma counts."""
    result = typed(Node(Position(1, 1), text, written=text, separator=separator), annotation)
    assert result == value
    assert type(result) is type(value)
