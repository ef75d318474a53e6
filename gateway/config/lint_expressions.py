"""Conditions and expressions in plain words: what is wrong where one cannot be read, and comparisons that look right
and never hold."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from gateway.config.invisible import INVISIBLE, QUOTES, foreign_letter, name_of
from gateway.config.near_words import nearest
from gateway.config.schema import Line
from gateway.config.schema_io import Input
from gateway.config.schema_walk import Loc
from gateway.config.tree import quoted
from gateway.errors import ConfigFault

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|//[^\n]*')
_OPEN_TEXT = re.compile(r"(?<!\d)[\"']|[\"'](?!\d{3}\b)")
"""The quote that begins a text and is never closed, once the other texts are gone; a sign between thousands is none."""
_LOST_QUOTE = re.compile(r"(?:==|!=|[,\[(])\s*(?P<text>[A-Za-z_][\w ./-]*)\Z")
"""What stands before a quote where the text has lost the one that it begins with."""
_BETWEEN, _OPERANDS = r"(?<=[\w)\]\0]\s)", r"(?=\s+[\w(!\0])"
_GREATER, _LESS = "größer|groesser|greater|mayor|supérieur", "kleiner|less|menor|inférieur"
_OR_EQUAL = r"(or|oder|o|ou)\s+(equals?|gleich|igual|égal)(\s+(to|a|à))?\b"
_LITERAL = r"(?:-?\d[\d.]*|\0+)"
_HINTS: tuple[tuple[str, str], ...] = (
    (r"&(?:gt|lt|amp);", 'write ">", "<" and "&" for "&gt;", "&lt;" and "&amp;", which are signs of web pages'),
    (r"\d['’]\d{3}\b", "write the number without any sign between its thousands"),
    (r"[−–—]", 'write "-" in the place of this dash'),
    (r"[×·]", 'write "*" to multiply'),
    (r"÷", 'write "/" to divide'),
    (r"[`´]", 'write straight quotes (") around a text'),
    (rf"(?i){_BETWEEN}(ungleich|not\s+equals?)\b", 'write "!=" for "{}"'),
    (rf"(?i){_BETWEEN}({_GREATER})(\s+(than|als|que))?\s+{_OR_EQUAL}", 'write ">=" for "{}"'),
    (rf"(?i){_BETWEEN}({_LESS})(\s+(than|als|que))?\s+{_OR_EQUAL}", 'write "<=" for "{}"'),
    (r"(?i)\bis\s+not\b", 'write "!=" for "{}"'),
    (rf"(?i){_BETWEEN}({_GREATER})\b", 'write ">" for "{}"'),
    (rf"(?i){_BETWEEN}({_LESS})\b", 'write "<" for "{}"'),
    (f"[{QUOTES}]", 'curly quotes; write straight ones (")'),
    (r"(?i)\bbetween\b(?:[^&|]*?\band\b)?", 'write "x >= 1 && x <= 5" for "between"'),
    (r"(?i)\band\b", 'write "&&" for "and"'),
    (r"(?i)\bor\b", 'write "||" for "or"'),
    (rf"(?i){_BETWEEN}(und|et|y)\b{_OPERANDS}", 'write "&&" for "{}"'),
    (rf"(?i){_BETWEEN}(oder|ou|o)\b{_OPERANDS}", 'write "||" for "{}"'),
    (r"(?i)\bnicht\b(?=\s*[\w(])", 'write "!" for "{}"'),
    (r"(?i)\bnot\s+in\b", 'write "!(x in [1, 2])" for "not in"'),
    (r"(?i)\bnot\b", 'write "!" for "not"'),
    (r"(?i)\bxor\b", 'write "!=" for "either, or"'),
    (r"(?i)\b(if|then|else)\b", 'write "condition ? one : another" for "if"'),
    (r"(?i)\b(is|equals?)\b", 'write "==" to compare'),
    (r"===", 'write "==" to compare'),
    (r"!==|/=|~=", 'write "!=" for "{}"'),
    (r"<>", 'write "!=" for "not equal"'),
    (r"->", 'write ">" to compare, or a point before the name of a field, "scrap.qty"'),
    (r"=<", 'write "<="'),
    (r"=>", 'write ">="'),
    (r"[≤≥≠]", 'write "<=", ">=" or "!="'),
    (r"(?<![=!<>])=(?!=)", 'write "==" to compare'),
    (r"\[(?=[^\]]*\Z)", "a ']' is missing"),
    (r"\bin\b\s*(\([^()]*\)?|\{[^{}]*\}?|[\w\0])", 'write a list in square brackets: "x in [1, 2]"'),
    (r"\b\d{1,3}(,\d{3}){2,}\b(?![^\[]*\])", "write the number without any sign between its thousands"),
    (r"\d+(,\d+){2,}(?![^\[]*\])", 'write a list in square brackets: "x in [1, 2]"'),
    (r"\d[\d.]*,\d+(?![^\[]*\])", 'write the number with a point: "{}"'),
    (r"(?<!&)&(?!&)\s*(0x)?\d|>>|<<", 'write "bit(word, 3)" to look at bit 3 of a word'),
    (r"(?<!&)&(?!&)", 'write "&&", not "&"'),
    (r"(?<!\|)\|(?!\|)", 'write "||", not "|"'),
    (r"\b[A-Za-z_]\w*(\.\d+\b|\.%X\d)", 'write "bit(word, 3)" to look at bit 3 of a word'),
    (r"(?<![\w.])\d+(\.\d+)?\s*(%|°|[A-Za-zµ]+\b)(?!\s+[\w(])", "a number stands here without its unit"),
    (r"[<>=]\s*(?P<at>\+)\s*\d", "write the number without a '+'"),
    (r"\?[^:]*\Z", 'write "condition ? one : another" for "if"'),
    (r"\$?\{\{?\s*[A-Za-z_][\w.]*\s*\}\}?", "an input stands here without braces"),
    (r"[$@]\w", "an input stands here by its name alone, without a sign before it"),
    (r"(?<![\w.])\d+\.(?!\d)", "a number ends with a digit, as in 5.0"),
    (r"(&&|\|\|)\s*(?P<at>==|!=|<=|>=|<|>)", 'write what is compared each time: "x >= 1 && x <= 5"'),
    (r"><", 'write "!=" for "not equal"'),
    (r"(?<=\s)#", "no comment can stand in an expression"),
    (r"\[[^\[\]]*[\w\0](?P<at>\s+)[\w\0]", "a ',' is missing between the values of this list"),
    (r"\*\*|\^", "there is no power; multiply"),
    (r"\+\+|--|:=", "nothing can be set here; an expression is what is compared or calculated"),
    (r";", "there is nothing to end: remove the ';'"),
    (r"^[^\[(]*(?P<at>,)", 'write "&&" for "and", or "||" for "or", between conditions'),
)
"""What people write -> what to write; where the mistake is not at its beginning, that is the group `at`."""
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    | (?P<truth>\b(?:true|false)\b)
    | (?P<sign>==|!=|<=|>=|<|>|\bin\b)
    | (?P<method>\.(?:startsWith|endsWith|contains|matches)\s*\()
    | (?P<path>[A-Za-z_]\w*(?:\.(?!(?:startsWith|endsWith|contains|matches)\s*\()[A-Za-z_]\w*)*)
    | (?P<other>[^\s]))""",
    re.VERBOSE,
)
_IN_ONE = re.compile(rf"([A-Za-z_][\w.]*)\s+in\s+({_LITERAL})")
_IN_LIST = 'after "in" comes a list: write "{} in [{}]"'
_OPERAND = r"(?:[A-Za-z_][\w.]*|-?\d[\d.]*|\0+)"
_TWO_AT_A_TIME = 'this never holds, because only two can be compared at a time: write "{0} {1} {2} && {2} {3} {4}"'
_CHAIN = re.compile(rf"({_OPERAND})\s*(<=?|>=?)\s*({_OPERAND})\s*(<=?|>=?)\s*({_OPERAND})")
_ALONE = re.compile(
    rf"(?:(?:\A|&&|\|\||[(!])\s*(?P<first>{_LITERAL})\s*(?=&&|\|\|))"
    rf"|(?:(?:&&|\|\|)\s*(?P<second>{_LITERAL})\s*(?=\Z|&&|\|\||\)))"
)
_EACH_TIME = (
    'what stands beside "&&" and "||" is true or false: write what is compared each time, "x == 1 || x == 2", '
    'or a list, "x in [1, 2]"'
)
_NOT_COMPARED = re.compile(rf"(?<![\w)])!\s*([A-Za-z_][\w.]*)\s*(==|!=|<=|>=|<|>)\s*({_LITERAL})")
_SIGN = "(==|!=|<=|>=|<|>)"
_AS_NUMBER = re.compile(rf"\b((?:int|uint|double|size)\([^()]*\))\s*{_SIGN}\s*\0")
_AS_TEXT = re.compile(rf"\b(string\([^()]*\))\s*{_SIGN}\s*(-?\d[\d.]*)")
_TWO_AT_ONCE = re.compile(
    r"(?<![\w.])([A-Za-z_][\w.]*)\s*==\s*(-?\d[\d.]*)\s*&&\s*\1\s*==\s*(?!\2(?![\d.]))(-?\d[\d.]*)"
)
_EITHER = 'this never holds, because {0} is one of them: write "{0} in [{1}, {2}]"'
_ELEMENT = re.compile(r"(?<![\w.\])])([A-Za-z_]\w*)\[(\d+)\]")
_AROUND = 'the "!" is of "{0}" alone, which then is true or false: write "!({0} {1} {2})"'
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_TRUTH = frozenset({"true", "false"})
NOTHING = frozenset({"none", "null", "nil", "undefined", "nan"})
"""What people write for nothing, which is empty text here."""
EMPTY = 'nothing is empty text: compare with ""'


class Wrong(NamedTuple):
    """What is wrong with an expression, as the end of a sentence, and the characters where, from 0."""

    at: tuple[int, ...]
    text: str


def why_unreadable(source: str, stopped: int | None) -> list[Wrong]:
    """Why `source` is no expression, and what to write: all that is known to be wrong; `stopped` is the character up to
    which it could be read."""
    if not source.strip():
        return [Wrong((), "nothing is written here")]
    texts = without_texts(source)
    where = () if stopped is None else (stopped,)
    invisible = INVISIBLE.search(texts)
    if invisible is not None:
        return [Wrong((invisible.start(),), f"{name_of(invisible[0])}; delete it")]
    foreign = foreign_letter(texts)
    if foreign is not None:
        return [Wrong(where, f"{foreign}: type it anew")]
    open_text = _OPEN_TEXT.search(texts)
    lost = _LOST_QUOTE.search(texts[: open_text.start()]) if open_text is not None else None
    read = len(texts) if open_text is None else lost.start("text") if lost is not None else open_text.start()
    hints = _hints(texts[:read])
    chain = _CHAIN.search(texts) if hints else None
    if chain is not None:
        parts = (source[slice(*chain.span(group))] for group in range(1, _CHAIN.groups + 1))
        hints.append(Wrong((chain.start(),), _TWO_AT_A_TIME.format(*parts)))
    if lost is not None:
        hints.append(Wrong((lost.start("text"),), f'a quote is missing before "{lost["text"].split()[0]}"'))
    elif open_text is not None:
        hints.append(Wrong((open_text.start(),), "a quote is never closed"))
    return hints or [Wrong(where, _misfit(texts))]


def _misfit(texts: str) -> str:
    """What does not fit together in `texts`, where nothing is known to be written otherwise."""
    for opening, closing in ("()", "[]"):
        if texts.count(opening) > texts.count(closing):
            return f"a '{closing}' is missing"
        if texts.count(opening) < texts.count(closing):
            return f"there is one '{closing}' too many"
    if re.search(r"(&&|\|\||[-=<>!+*/%])\s*\Z", texts):
        return "something is missing at the end"
    return "this does not fit what stands before it"


def _hints(texts: str) -> list[Wrong]:
    """What is known to be written otherwise in `texts`, in order, with the cure."""
    open_list = re.search(r"\[(?=[^\]]*\Z)", texts)
    if open_list is not None:  # its commas are between values
        texts = texts[: open_list.end()] + texts[open_list.end() :].replace(",", "\1")
    taken: set[int] = set()
    places: dict[str, list[int]] = {}
    for pattern, cure in _HINTS:
        matches = [match for match in re.finditer(pattern, texts) if taken.isdisjoint(range(*match.span()))]
        taken |= {place for match in matches for place in range(*match.span())}
        for match in matches:
            places.setdefault(cure.format(_with_point(match[0])), []).append(match.start(match.lastgroup or 0))
    return [Wrong(tuple(at), cure) for cure, at in sorted(places.items(), key=lambda known: known[1])]


def unknown_names(source: str, known: Collection[str], cutoff: float) -> Iterator[str]:
    """Names in `source`, which is no expression, that are none of those `known` and certainly stand for one: they are
    like one, as `nearest` says, or compared with something."""
    texts, *others = _OPEN_TEXT.split(without_texts(source), maxsplit=1)
    lost = _LOST_QUOTE.search(texts) if others else None
    texts = texts if lost is None else texts[: lost.start("text")]
    for match in re.finditer(
        r"(?<![\w.$@])(?<!->)([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*(?![\w.]|\s*\()(?=\s*([=!<>]?))", texts
    ):
        name = match[1]
        if name in known or not name.isascii() or _is_word(name):
            continue
        if match[2] or nearest(name, known, cutoff) is not None:
            yield name


def _is_word(name: str) -> bool:
    """Whether `name` is a word of expressions, or of another language, rather than a name."""
    alone = f"\0 {name} \0"
    return name.casefold() in _TRUTH | NOTHING | {"in"} or bool(_hints(alone))


def _with_point(word: str) -> str:
    """A number with a decimal comma as it is written here; another word as it is."""
    return word.replace(".", "").replace(",", ".") if "," in word else word


def contradictions(source: str) -> Iterator[Wrong]:
    """What can be read as an expression, and is never what it looks like."""
    texts = without_texts(source)
    for pattern, cure in (
        (_IN_ONE, _IN_LIST),
        (_CHAIN, _TWO_AT_A_TIME),
        (_ALONE, _EACH_TIME),
        (_NOT_COMPARED, _AROUND),
        (_AS_NUMBER, '"{0}" is a number and is never like a text: write the number without quotes'),
        (_AS_TEXT, '"{0}" is a text and is never like a number: write {0} {1} "{2}"'),
        (_TWO_AT_ONCE, _EITHER),
    ):
        match = pattern.search(texts)
        if match is not None:
            parts = (source[slice(*match.span(group))] for group in range(1, pattern.groups + 1))
            yield Wrong((match.start(match.lastgroup or 0),), cure.format(*parts))


def without_texts(source: str) -> str:
    """`source` with a NUL for each character of its quoted texts, and a blank for each of its comments: nothing in them
    is read as part of an expression."""
    return _TEXT.sub(lambda match: (" " if match[0][0] == "/" else "\0") * len(match[0]), source)


def meant_name(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """The end of a message about a name that is no input: what is meant, where that can be told, as `nearest`."""
    if name.casefold() in _TRUTH:
        return f'; write "{name.casefold()}"'
    if name.casefold() in NOTHING:
        return f"; {EMPTY}"
    near = nearest(name, known, cutoff)
    return f'; did you mean "{near}"?' if near is not None else ""


class Comparison(NamedTuple):
    """`path sign literal`, also where it is written the other way round; after `in` stand several literals.

    Each literal is its kind (`text`, `number` or `truth`) and what is written, without quotes. Where the path is looked
    at as text by one of its functions, `sign` is empty and there is no literal.
    """

    path: str
    sign: str
    literals: tuple[tuple[str, str], ...]
    at: int = 0
    """The character of the expression, from 0, at which it begins."""

    def meant(self) -> str:
        """The same with numbers and truths in the place of texts."""
        plain = [text.replace(",", ".") for _, text in self.literals]
        written = ", ".join(plain)
        return f"{self.path} {self.sign} " + (f"[{written}]" if self.sign == "in" else written)


def comparisons(source: str) -> Iterator[Comparison]:
    """What is compared with literals in the expression `source`."""
    found = [*_TOKEN.finditer(source)]
    tokens = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in found]
    for at, (kind, word) in enumerate(tokens):
        begin = found[at - 1].start(found[at - 1].lastgroup or 0) if at else 0
        before, after = tokens[at - 1] if at else ("", ""), tokens[at + 1 : at + 2]
        if kind == "method" and before[0] == "path":
            yield Comparison(before[1], "", (), begin)
        if kind != "sign" or not after:
            continue
        if word == "in" and before[0] == "path" and after[0][1] == "[":
            words = [token[1] for token in tokens]
            end = words.index("]", at) if "]" in words[at:] else len(words)
            literals = tuple(_literal(*token) for token in tokens[at + 2 : end] if token[0] in _LITERALS)
            if literals:
                yield Comparison(before[1], word, literals, begin)
        elif before[0] == "path" and after[0][0] in _LITERALS:
            yield Comparison(before[1], word, (_literal(*after[0]),), begin)
        elif before[0] in _LITERALS and after[0][0] == "path" and word != "in":
            yield Comparison(after[0][1], _TURNED.get(word, word), (_literal(*before),), begin)


_LITERALS = frozenset({"text", "number", "truth"})


def _literal(kind: str, word: str) -> tuple[str, str]:
    return kind, word[1:-1] if kind == "text" else word


def find_doubtful_comparisons(line: Line, loc: Loc, expressions: Iterable[tuple[Loc, str]]) -> Iterator[ConfigFault]:
    """Comparisons of a number with a text, in `expressions` with their places, that look right."""
    as_number: dict[str, str] = {}
    as_text: dict[str, tuple[Loc, Comparison, str | None]] = {}
    for at, source in expressions:
        yield from _elements(source, line, at)
        for one in comparisons(source):
            name = one.path.partition(".")[0]
            if name not in line.inputs:
                continue
            for kind, word in one.literals:
                if kind == "number":
                    as_number[one.path] = word
                elif kind == "text":
                    as_text.setdefault(one.path, (at, one, word))
            if not one.literals:
                as_text.setdefault(one.path, (at, one, None))
            yield from _of_another_kind(line.inputs[name], one, at)
    for path, (at, one, text) in as_text.items():
        if path in as_number and (text is None or not _NUMBER.fullmatch(text)):
            how = (
                "looked at as text here and compared"
                if text is None
                else f"compared with the text {quoted(text)} here and"
            )
            reason = f"{quoted(path)} is {how} with the number {as_number[path]} elsewhere"
            yield ConfigFault(at, f"{reason}: only one of them can ever hold", warning=True, at=(one.at,))


def _elements(source: str, line: Line, at: Loc) -> Iterator[ConfigFault]:
    """Elements of tags: the value of a tag is one, and never an array or its bits."""
    for match in _ELEMENT.finditer(without_texts(source)):
        name, number = match.groups()
        if name in line.inputs and line.inputs[name].node is not None:
            text = (
                f"{quoted(name)} is one value and has no elements: write bit({name}, {number}) for a bit of it, or "
                f"`index: {number}` in the input for an element of an array"
            )
            yield ConfigFault(at, text, rests_on=((*at[:2], "inputs", name),), at=(match.start(),))


def _of_another_kind(given: Input, one: Comparison, at: Loc) -> Iterator[ConfigFault]:
    """A comparison with what the input never is, or most likely is not."""
    kinds = {kind for kind, _ in one.literals}
    always = _kind(given) if "." not in one.path else None
    if always == "number" and kinds - {"number"}:
        if all(_NUMBER.fullmatch(word) for _, word in one.literals):
            cure = f"write it without quotes, {one.meant()}"
        else:
            cure = f"compare it with a number, {one.path} {'==' if one.sign == 'in' else one.sign} 5"
        other = "like a text" if "text" in kinds else "true or false"
        yield ConfigFault(at, f"{quoted(one.path)} is a number and is never {other}: {cure}", at=(one.at,))
        return
    if always == "text" and "number" in kinds:
        number = next(word for kind, word in one.literals if kind == "number")
        cure = f'write it in quotes, {one.path} {one.sign} "{number}"'
        if one.sign in _TURNED:
            cure = f'where any text will do write {one.path} != ""'
            cure += ", or `number: text` in the input for a number" if given.capture is not None else ""
        elif one.sign == "in":
            cure = f"write each in quotes, {one.path} in [" + ", ".join(f'"{word}"' for _, word in one.literals) + "]"
        yield ConfigFault(at, f"{quoted(one.path)} is a text and is never like a number: {cure}", at=(one.at,))
        return
    others = any(kind == "text" and word not in _TRUTH and not _NUMBER.fullmatch(word) for kind, word in one.literals)
    for kind, word in one.literals if not others else ():
        if kind == "text" and (_NUMBER.fullmatch(word) or word in _TRUTH) and always != "text":
            yield ConfigFault(at, _text_for_a_value(one, word), warning=True, at=(one.at,))
            return


def _text_for_a_value(one: Comparison, text: str) -> str:
    if text in _TRUTH:
        return f'"{text}" in quotes is text; where {quoted(one.path)} is true or false write {one.meant()}'
    how = "compares texts letter by letter" if one.sign in _TURNED else "never holds for a number"
    return f'"{text}" in quotes is text, and {how}; where {quoted(one.path)} is a number write {one.meant()}'


def _kind(given: Input) -> str | None:
    """Whether the values of an input are always numbers, or always texts; None where that is not known."""
    if given.counter is not None or given.number is not None or given.words:
        return "number"
    return "text" if given.capture is not None or given.enumeration == "name" else None
