"""What a spreadsheet, or who saved a table from it, has made of cells: errors and formulas, dates out of codes, numbers
that were cut, letters that were lost, two ways of writing decimals."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.config.csv_tables import CUT_OR_ERROR, Sheet, separator_of
from gateway.config.invisible import INVISIBLE, invisible_in, name_of
from gateway.config.schema_walk import number_keys
from gateway.config.tree import Finding, Node, Position, quoted

_DECIMAL = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_FORMULA = re.compile(r"=\s*[A-Za-z$(@+-]")
_MONTHS = "Jan|Feb|Mär|Mrz|Mar|Apr|Mai|May|Jun|Jul|Aug|Sep|Okt|Oct|Nov|Dez|Dec"
_MONTH = re.compile(
    rf"\d{{1,2}}[.\-/ ]\s?(?:{_MONTHS})[a-z]*\.?(?:[.\-/ ]?\d{{2,4}})?|(?:{_MONTHS})[a-z]*\.?[.\-/ ]\d{{1,4}}",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{2}|\d{4})|\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2})?)?")
_DAY = re.compile(r"[2-6]\d{4}")
"""Days since 1900: from 1954 to 2091."""
_CODE = re.compile(r"[A-Za-z0-9_./-]*\d[A-Za-z0-9_./-]*")
_LIKE_A_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}(?:[./-]\d{1,4})?")
"""Codes of which a spreadsheet makes dates where it can."""
_NO_NUMBER = re.compile(
    r"-+|\?+|k\. ?A\.|n/?a|none|null|nan|tbd|unknown|unbekannt|keine?\b.*|[-+]?\d+(?:[.,]\d+)?\s+\S.*", re.IGNORECASE
)
"""What stands in a column of numbers for none, or is one with its unit."""
_GARBLED = re.compile(r"[ÃÂ][\x80-\xbf\u0152-\u2122]")
"""A letter of two bytes in UTF-8 that was read in another encoding, and saved so."""
_LOST = {
    "\ufffd": "a letter was lost here when this was saved (U+FFFD): type it anew, and save the table in UTF-8",
    "\0": "a character that is nothing (U+0000) stands here: delete it, and save the table in UTF-8",
}
_CELLS = {
    separator: re.compile(rf'(?:^|{separator})[ \t]*(?:"(?P<quoted>(?:[^"]|"")*+)"|(?P<plain>[^{separator}]*))')
    for separator in ",;"
}
"""Of one line."""


def doubtful_cells(text: str, file: Path) -> list[Finding]:
    """What a table has in it that nobody wrote: characters that nobody sees (a blank of another kind within a cell may
    be meant), the errors of formulas, long numbers that a spreadsheet has cut, and letters that were lost."""
    findings: list[Finding] = []
    has_spoilt = any(sign in text for sign in ("#", "E+", "'", "=", "Ã", "Â", *_LOST))
    has_invisible = INVISIBLE.search(text) is not None
    cells, headings = _CELLS[separator_of(text)], list[str]()
    for row, line in enumerate(re.split(r"\r\n|\n|\r", text), 1) if has_spoilt or has_invisible else ():
        for at, character in enumerate(line) if not _LOST.keys().isdisjoint(line) else ():
            if character in _LOST:
                findings.append(Finding(Position(row, at + 1, file), _LOST[character], warning=True))
        for match in _GARBLED.finditer(line):
            text = "this letter was read in another encoding, and saved so: type it anew"
            findings.append(Finding(Position(row, match.start() + 1, file), text, warning=True))
        for match in CUT_OR_ERROR.finditer(line):
            reason = "this is the error of a formula; mend it in the spreadsheet"
            if match["cut"]:
                reason = (
                    "the spreadsheet has cut this number to its first digits: make the column text and type it anew"
                )
            if match["mark"]:
                reason = (
                    "the sign before this is part of the text here, and no mark for text as in a spreadsheet: remove it"
                )
            position = Position(row, match.start("cell") + 1, file)
            findings.append(Finding(position, reason, warning=not match[0].lstrip(',;\t"').startswith("#")))
        for number, cell in enumerate(cells.finditer(line)) if has_invisible else ():
            part = "plain" if cell["quoted"] is None else "quoted"
            if row == 1:
                headings.append(cell[part].strip())
            heading = headings[number] if number < len(headings) else ""
            for at, meant in invisible_in(cell[part], is_number=heading.rpartition(".")[2] in number_keys()):
                reason = f"{name_of(cell[part][at])} stands here; delete it, or type a blank"
                findings.append(Finding(Position(row, cell.start(part) + at + 1, file), reason, meant))
    return findings


def doubtful_columns(sheet: Sheet) -> Iterator[Finding]:
    """Cells that are not what the others of their column are, or that a spreadsheet has made of what was typed."""
    columns = [[row.cells[name] for row in sheet.rows if name in row.cells] for name in sheet.headings]
    yield from _mixed_decimals(columns)
    for number, cells in enumerate(columns):
        yield from _spoilt_numbers(cells)
        yield from _formulas(cells)
        yield from _dates(cells, is_first=number == 0)


def _mixed_decimals(columns: Sequence[Sequence[Node]]) -> Iterator[Finding]:
    """Numbers of which some have a decimal comma and others a point: the first of those that are fewer, in each column
    or, where each column is alike, of those in other columns that may have a sign between their thousands."""
    numbers = [cells for cells in columns if all(_DECIMAL.fullmatch(cell.written) for cell in cells)]
    found = [finding for cells in numbers if (finding := _mixed(cells, "in its column")) is not None]
    if not found:
        anywhere = _mixed([cell for cells in numbers for cell in cells], "in other columns", _THOUSANDS)
        found += [anywhere] if anywhere is not None else []
    yield from found


def _mixed(cells: Sequence[Node], place: str, doubtful: re.Pattern[str] = _DECIMAL) -> Finding | None:
    commas = [cell for cell in cells if "," in cell.written]
    points = [cell for cell in cells if "." in cell.written]
    if not commas or not points:
        return None
    fewer, others = (commas, points) if len(commas) < len(points) else (points, commas)
    if not all(doubtful.fullmatch(cell.written) for cell in fewer):
        return None
    signs = ("comma", "point") if fewer is commas else ("point", "comma")
    text = (
        f"this number has a decimal {signs[0]}, and {len(others)} {place}, such as "
        f"{quoted(others[0].written)}, a {signs[1]}: is it what was meant? Write all alike"
    )
    return Finding(fewer[0].position, text, warning=True)


def _spoilt_numbers(cells: Sequence[Node]) -> Iterator[Finding]:
    """The first cell by which a column of numbers becomes one of texts: a word for nothing, or a number with its
    unit."""
    others = [cell for cell in cells if not _DECIMAL.fullmatch(cell.written)]
    if others and len(others) * 2 <= len(cells) and all(_NO_NUMBER.fullmatch(cell.written) for cell in others):
        text = "by this all of the column is text, and no number: leave the cell empty, or write a number alone"
        yield Finding(others[0].position, text, warning=True)


def _formulas(cells: Sequence[Node]) -> Iterator[Finding]:
    """Formulas that were saved as they are written, instead of what they give."""
    for cell in cells:
        if _FORMULA.match(cell.written):
            text = "this is a formula, and text here: save the table with what it gives, as values"
            yield Finding(cell.position, text, warning=True)


def _dates(cells: Sequence[Node], *, is_first: bool) -> Iterator[Finding]:
    """The first cell of a column of codes of which a spreadsheet has made a date, or the number of a day: `1-2` becomes
    `01.Feb`, or 45231. In the first column, which says of what a row is, no code has the name of a month."""
    named = [cell for cell in cells if _MONTH.fullmatch(cell.written)]
    dates = [cell for cell in cells if _DATE.fullmatch(cell.written)]
    days = [cell for cell in cells if _DAY.fullmatch(cell.written)]
    for found, others_are in ((named, _CODE), (dates, _CODE), (days, _LIKE_A_DATE)):
        others = [cell for cell in cells if cell not in found]
        are_codes = len(others) >= len(found) and all(others_are.fullmatch(cell.written) for cell in others)
        if found and ((others and are_codes) or (is_first and found is named)):
            of = f" of {quoted(others[0].written)} and others like it" if others else ""
            text = f"a spreadsheet makes this{of}, which are no dates: make the column text there, and type it anew"
            if not others:
                text = "a spreadsheet makes this of a code such as 1-2: make the column text there, and type it anew"
            yield Finding(found[0].position, text, warning=True)
            return
