"""Conditions and expressions in plain words: what is wrong where one cannot be read, and comparisons that look right
and never hold."""

import re
from collections.abc import Collection, Iterator, Mapping

from gateway.config.error_messages import nearest
from gateway.config.invisible import INVISIBLE, name_of
from gateway.config.schema import Line
from gateway.config.schema_io import Input
from gateway.config.schema_walk import Loc
from gateway.config.yaml_tree import quoted
from gateway.errors import ConfigFault

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_HINTS: tuple[tuple[str, str], ...] = (
    (r"[“”„«»‘’‚]", 'curly quotes; write straight ones (")'),
    (r"(?i)\band\b", 'write "&&" for "and"'),
    (r"(?i)\bor\b", 'write "||" for "or"'),
    (r"(?i)\bnot\s+in\b", 'write "!(x in [1, 2])" for "not in"'),
    (r"(?i)\bnot\b", 'write "!" for "not"'),
    (r"(?i)\bxor\b", 'write "!=" for "either, or"'),
    (r"(?i)\b(if|then|else)\b", 'write "condition ? one : another" for "if"'),
    (r"(?i)\bbetween\b", 'write "x >= 1 && x <= 5" for "between"'),
    (r"(?i)\b(is|equals?)\b", 'write "==" to compare'),
    (r"===", 'write "==" to compare'),
    (r"<>", 'write "!=" for "not equal"'),
    (r"=<", 'write "<="'),
    (r"=>", 'write ">="'),
    (r"[≤≥≠]", 'write "<=", ">=" or "!="'),
    (r"(?<![=!<>])=(?!=)", 'write "==" to compare'),
    (r"\d+,\d+", 'write the number with a point: "{}"'),
    (r"(?<!&)&(?!&)\s*(0x)?\d|>>|<<", 'write "bit(word, 3)" to look at bit 3 of a word'),
    (r"(?<!&)&(?!&)", 'write "&&" for "and"'),
    (r"(?<!\|)\|(?!\|)", 'write "||" for "or"'),
    (r"\b[A-Za-z_]\w*(\.\d+\b|\.%X\d)", 'write "bit(word, 3)" to look at bit 3 of a word'),
    (r"(?<![\w.])\d+(\.\d+)?\s*(%|°|[A-Za-zµ]+\b)", "a number stands here without its unit"),
    (r"\$?\{\{?\s*[A-Za-z_][\w.]*\s*\}\}?", "an input stands here without braces"),
    (r"\*\*|\^", "there is no power; multiply"),
    (r"\+\+|--|:=", "nothing can be set here; an expression is what is compared or calculated"),
    (r";", "there is nothing to end: remove the ';'"),
)
_COMPARED = re.compile(r"([A-Za-z_]\w*)((?:\.\w+)*)\s*(==|!=|<=|>=|<|>)\s*(?:([\"'])(.*?)\4|(-?\d+(?:\.\d+)?))")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_TRUTH = frozenset({"true", "false"})
NOTHING = frozenset({"none", "null", "nil", "undefined", "nan"})
"""What people write for nothing, which is empty text here."""
EMPTY = 'nothing is empty text: compare with ""'


def why_unreadable(source: str, stopped: int | None) -> str:
    """Why `source` is no expression, and what to write, as the end of a sentence; `stopped` is the character, counted
    from 1, up to which it could be read."""
    texts = _TEXT.sub(lambda match: "\0" * len(match[0]), source)
    where = "" if stopped is None else f"at character {stopped}: "
    invisible = INVISIBLE.search(texts)
    if invisible is not None:
        return f"at character {invisible.start() + 1}: {name_of(invisible[0])}; delete it"
    for pattern, cure in _HINTS:
        match = re.search(pattern, texts)
        if match is not None:
            return f"at character {match.start() + 1}: {cure.format(match[0].replace(',', '.'))}"
    quote = re.search(r"[\"']", texts)
    if quote is not None:
        return f"at character {quote.start() + 1}: a quote is never closed"
    for opening, closing in ("()", "[]"):
        if texts.count(opening) > texts.count(closing):
            return f"{where}a '{closing}' is missing"
        if texts.count(opening) < texts.count(closing):
            return f"{where}there is one '{closing}' too many"
    if re.search(r"(&&|\|\||[-=<>!+*/%])\s*\Z", texts):
        return f"{where}something is missing at the end"
    return f"{where}this does not fit what stands before it"


def meant_name(name: str, known: Collection[str]) -> str:
    """The end of a message about a name that is no input: what is meant, where that can be told."""
    if name.casefold() in _TRUTH:
        return f'; write "{name.casefold()}"'
    if name.casefold() in NOTHING:
        return f"; {EMPTY}"
    near = nearest(name, known)
    return f'; did you mean "{near}"?' if near is not None else ""


def find_doubtful_comparisons(line: Line, loc: Loc, expressions: Iterator[tuple[Loc, str]]) -> Iterator[ConfigFault]:
    """Comparisons of a number with a text, in `expressions` with their places, that look right."""
    as_number: dict[str, str] = {}
    as_text: dict[str, tuple[Loc, str]] = {}
    for at, source in expressions:
        for name, path, sign, quote, text, number in _COMPARED.findall(source):
            if name not in line.inputs:
                continue
            if not quote:
                as_number[name + path] = number
                continue
            as_text.setdefault(name + path, (at, text))
            yield from _with_text(line.inputs, name, name + path, sign, text, at)
    for name, (at, text) in as_text.items():
        if name in as_number and not _NUMBER.fullmatch(text):
            reason = f"{quoted(name)} is compared with the text {quoted(text)} here and with the number"
            yield ConfigFault(at, f"{reason} {as_number[name]} elsewhere: only one of them can ever hold", warning=True)


def _with_text(
    inputs: Mapping[str, Input], name: str, full: str, sign: str, text: str, at: Loc
) -> Iterator[ConfigFault]:
    if inputs[name].counter is not None:
        reason = f"{quoted(name)} is a number and is never like a text"
        yield ConfigFault(at, f"{reason}: write it without quotes, {full} {sign} 5")
    elif _NUMBER.fullmatch(text):
        plain = text.replace(",", ".")
        kind = "compares texts letter by letter" if sign in "<=>=" and sign != "==" else "never holds for a number"
        reason = f'"{text}" in quotes is text, and {kind}; where {quoted(full)} is a number write {full} {sign} {plain}'
        yield ConfigFault(at, reason, warning=True)
    elif text in _TRUTH:
        reason = f'"{text}" in quotes is text; where {quoted(full)} is true or false write {full} {sign} {text}'
        yield ConfigFault(at, reason, warning=True)
