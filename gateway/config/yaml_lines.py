"""One line of YAML by itself, and the ways in which it could be mended.

It is looked at only where the file as a whole cannot be read, so that what is guessed here is tried before it counts.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from gateway.config.addresses import JSON_PATH, own_path
from gateway.config.invisible import BLANKS, QUOTES, WIDE, name_of
from gateway.config.schema_walk import every_key, may_stand_below
from gateway.config.yaml_brackets import STRAIGHT, Line, Repair, closed_brackets, missing_brackets, opened_bracket, scan
from gateway.config.yaml_words import NO_COMMENT, PARTED_NODE, WORD_ALONE, of_value, parted_node

NEVER_CLOSED = "the quote that is opened here is never closed"
NO_BULLET = "'- ' is missing before this: each item of a list begins with it"
DASH_TOO_MANY = "this '- ' is one too many: its neighbours are keys, not items of a list"
_FILLED_IN = re.compile(r"[^\s{}\[\],]*(?:\{[^{}]*\}|\[[^\[\]]*\])[^\s{}\[\],]*")
_SIGN = re.compile(r"(?P<before>[ \t]*(?:- +)?[\w.-]+)(?P<sign>[ \t]*(?:=>|->|=|:=|;)[ \t]*)(?P<value>\S.*)")
_NO_CODE = re.compile(r"[ \t]*(?P<key>\*|[>|]=?[ \t]*[\d.]+)(?=[ \t]*:(?:[ \t]|\Z))")
BULLET = re.compile(r"[ \t]*(?P<sign>[–—•·‣▪*+](?=[ \t])|-(?=[A-Za-z_{]))[ \t]*(?=[\w\"'{]+[^:]*:(?:[ \t]|\Z))")
"""An item of a list as text programs write it."""
_NO_LINE = re.compile(
    r"[ \t]*(?P<sign>--(?!-)|;|/\*|\*/|```|<!--|\.{3}[ \t]*\Z"
    r"|(?P<rule>[-=*_~])(?P=rule){3,}[ \t]*\Z|(?:<{7}|>{7}|\|{7})(?=[ \t]|\Z))"
)
"""A comment of another language, what a chat program puts around a text, a rule, or what two versions that were merged
leave."""
_OPENED_KEY = re.compile(r"[ \t]*(?:- +)?(?P<quote>[\"'])(?=\w[\w-]*:(?:[ \t]|\Z))")
_SECRET = re.compile(r"\$\{secret:(?P<blank>[ \t]+)(?=[\w.-]+\})")
_SLASHES = re.compile(r"(?:^|[ \t])(//)(?=[ \t]|\Z)")
_ONE_MORE = re.compile(
    r"(?<=[\s{\[,:])(?P<quote>[\"'])(?:(?!(?P=quote)).)+(?P=quote)(?P<more>(?P=quote))(?=\s*(?:[,}\]]|\Z|#))"
)
_CURLY = re.compile(rf'(?<=[\s{{\[,:-])[{QUOTES}](?P<text>[^{QUOTES}"\n]*)[{QUOTES}"](?=\s*(?:[,}}\]#]|\Z))')
"""A value in quotes of a text program, of which the last may be a straight one."""
_GLUED = re.compile(
    r"[{,][ \t]*(?P<key>[A-Za-z_][\w-]*)(?:(?P<colon>:)|[ \t]*(?P<sign>=>|->|:=|=)[ \t]*)(?=[\"'{\[]|\$\{)"
    r"(?P<filled>\$?\{[ \t]*[A-Za-z_][\w.]*[ \t]*\}(?=[ \t]*[,}]))?"
)
"""In brackets: a key and its value without what belongs between them."""
_LAST_WORD = re.compile(r"(?P<value>[ \t]*[^\s\"']*[^\s\"'.])\.?[ \t]+(?P<key>[a-z_]+)")
_NEXT_KEY = re.compile(r"(?P<key>[a-z_]+):(?=[ \t]|\Z)")
_JSON_PATH = re.compile(r"(?<=: )\$(?:\.\w+|\[(?:'[^'\]]*'|\"[^\"\]]*\"|-?\d+)\])+(?=[ \t]*[,}])")
_UNOPENED = re.compile(r":[ \t]+(?P<values>[^\s\[\]{}:\"',][^\[\]{}:\"',]*(?:,[^\[\]{}:\"',]+)+)\Z")
"""Values of a list of which the bracket is missing."""
_SEMICOLON = re.compile(r"(?<=[\w\"'}\]])(?P<sign>;)[ \t]*(?=[A-Za-z_]\w*:[ \t])")
_ENTRY = re.compile(
    r"(?P<key>[ \t]*(?:- +)*[^\s#'\"{}\[\],:&*!|>%@`-][^#'\"{}\[\]:]*:[ \t]+)(?P<value>[^\s#|>].*?)[ \t]*\Z"
)
_TWO_KEYS = re.compile(r"[ \t]*(?:- +)*(?P<key>\w+):[ \t]+(?P<inner>\w+):[ \t]+\S.*")
_NO_BLANK = re.compile(r"[ \t]*(?:- +)?[A-Za-z_]\w*(?P<colon>:)(?=[^\s/:])")
_NO_COLON = re.compile(r"[ \t]*(?:- +)?(?P<word>[A-Za-z_]\w*|\d+(?=[ \t]*\Z))(?P<rest>[ \t]+[^\s#].*|[ \t]*\Z)")


def likely_repairs(text: str) -> Iterator[Repair]:
    """What is visibly wrong with a line by itself: a blank that is none, a quote or a bracket that is not closed."""
    blank = next((index for index, character in enumerate(text) if character in BLANKS), None)
    if blank is not None:
        mended = "".join(" " if character in BLANKS else character for character in text)
        yield Repair(blank + 1, f"{name_of(text[blank])} stands here; delete it and type a blank", mended)
    line = scan(text)
    yield from _narrow(line)
    yield from _glued(line) if line.flow else ()
    yield from opened_bracket(line)
    for match in _ONE_MORE.finditer(text):
        at = match.start("more")
        yield Repair(
            at + 1, f"one {match['more']} too many at the end of this text: remove it", f"{text[:at]}{text[at + 1 :]}"
        )
    yield from _at_beginning(text)
    yield from _unquoted(text)
    slashes = _SLASHES.search(text)
    if slashes is not None and not any(quote < slashes.start() for quote in line.quotes):
        at = slashes.start(1)
        yield Repair(at + 1, NO_COMMENT, f"{text[:at]}# {text[at + 2 :]}")
    for quote in reversed(line.quotes):
        yield from _closed_quote(line, quote)
    if line.brackets and not line.open_quote:
        yield from closed_brackets(line)


def _at_beginning(text: str) -> Iterator[Repair]:
    """What a line begins with that no line of YAML does."""
    bullet = BULLET.match(text)
    if bullet is not None:
        at = bullet.start("sign")
        reason = "a blank is missing after this '-'"
        if bullet["sign"] != "-":
            reason = "an item of a list begins with '- ', with a plain dash"
        yield Repair(at + 1, reason, f"{text[:at]}- {text[bullet.end() :]}")
    foreign = _NO_LINE.match(text)
    if foreign is not None:
        at = foreign.start("sign")
        reason = "this line is no part of a configuration: remove it, or begin it with '#' if it is a comment"
        yield Repair(at + 1, reason, f"{text[:at]}# {text[at:]}")
    opened = _OPENED_KEY.match(text)
    if opened is not None:
        at = opened.start("quote")
        yield Repair(at + 1, NEVER_CLOSED, f"{text[:at]}{text[at + 1 :]}")


def _unquoted(text: str) -> Iterator[Repair]:
    """What needs other quotes, or quotes at all, or no blank within it."""
    curly = _CURLY.search(text)
    if curly is not None:
        reason = 'curly quotes mean nothing here; write straight ones (")'
        yield Repair(curly.start() + 1, reason, _CURLY.sub(lambda match: _in_quotes(match["text"]), text))
    path = _JSON_PATH.search(text)
    if path is not None:
        yield Repair(
            path.start() + 1,
            f"{JSON_PATH} the name of the field, such as 'order.number'",
            f"{text[: path.start()]}'{own_path(path[0])}'{text[path.end() :]}",
        )
    secret = _SECRET.search(text)
    if secret is not None:
        reason = "no blank stands in ${secret:NAME}"
        yield Repair(secret.start("blank") + 1, reason, f"{text[: secret.start('blank')]}{text[secret.end('blank') :]}")
    code = _NO_CODE.match(text)
    if code is not None:
        reason = (
            "a code that begins with this sign needs quotes; all others are `other` beside `codes`, ranges a `ladder`"
        )
        yield Repair(code.start("key") + 1, reason, f"{text[: code.start('key')]}'{code['key']}'{text[code.end() :]}")


def repairs_at(text: str, index: int, said: str) -> Iterator[Repair]:
    """The line as it may have been meant where the parser stopped at `index` and said what is wrong there."""
    stopped, said = text[index : index + 1], of_value(text, index, said)
    yield from _of_sign(text, index, stopped, said)
    yield from _in_flow(text, index, stopped, said)
    begin = max(text.rfind(sign, 0, index) for sign in " \t{}[],") + 1
    if (node := parted_node(text, begin)) is not None:
        at, end, whole = node
        yield Repair(at + 1, PARTED_NODE, f"{text[:at]}'{whole}'{text[end:]}")
    filled_in = _FILLED_IN.match(text, begin)
    if filled_in is not None and scan(text[:index]).brackets:
        mended = f"{text[:begin]}'{filled_in[0]}'{text[filled_in.end() :]}"
        yield Repair(index + 1, "inside brackets, a text with braces in it needs quotes", mended, begin + 1)
    yield from _of_entry(text, index, said)


def _of_sign(text: str, index: int, stopped: str, said: str) -> Iterator[Repair]:
    """The line without the sign at which the parser `stopped`, or with one more before it."""
    if stopped == "," and (index == len(text.rstrip()) - 1 or re.search(r"[,{\[]\s*\Z", text[:index])):
        yield Repair(index + 1, "there is one ',' too many", text[:index] + text[index + 1 :])
    if stopped and not stopped.isprintable():
        yield Repair(index + 1, said, text[:index] + text[index + 1 :])
    if stopped == "]" and (values := _UNOPENED.search(text[:index])) is not None:
        at = values.start("values")
        yield Repair(at + 1, "a '[' is missing before this", f"{text[:at]}[{text[at:]}")
    if stopped in {"}", "]"} and not scan(text).brackets:
        yield Repair(index + 1, f"there is one '{stopped}' too many", text[:index] + text[index + 1 :])
    if text[max(index - 1, 0) : index] == "\\":
        yield Repair(index + 1, said, f"{text[:index]}\\{text[index:]}")
    key = _NEXT_KEY.match(text, index)
    if key is not None and key["key"] in every_key() and text[:index].rstrip()[-1:] in {'"', "'", "}", "]"}:
        at = len(text[:index].rstrip())
        yield Repair(at + 1, "a ',' is missing before the next key", f"{text[:at]},{text[at:]}")


def _in_flow(text: str, index: int, stopped: str, said: str) -> Iterator[Repair]:
    """The line with quotes around the value in brackets at which the parser `stopped`."""
    begin = max(text.rfind(sign, 0, index) for sign in "{[,") + 1
    end = _end_of_value(text, index)
    name, colon, value = text[begin:end].partition(": ") if begin else ("", "", "")
    if colon and value.strip():
        column, reason = begin + len(name) + 3, said
        if stopped == ":":
            reason = "a ',' is missing before the next key, or this text has a ': ' in it and needs quotes"
            if (known := _known_key(text, begin + len(name) + 2, index)) is not None:
                yield Repair(column, reason, f"{text[:known]},{text[known:].removeprefix('.')}")
        elif value[0] in "\"'":
            reason = _ends_early(value)
        else:
            column = index + 1
        mended = f"{text[:begin]}{name}: {_in_quotes(value)}{text[end:]}"
        yield Repair(column, reason, mended, begin + len(name) + 3)
        content = text[: scan(text).comment].rstrip()
        longer = len(content) - len(scan(text[:begin]).brackets)  # the other brackets at the end are part of the text
        if longer > end and not content[longer:].strip("}]") and "{" in value:
            mended = f"{text[:begin]}{name}: {_in_quotes(text[begin + len(name) + 2 : longer])}{text[longer:]}"
            yield Repair(column, reason, mended, begin + len(name) + 3)


def _of_entry(text: str, index: int, said: str) -> Iterator[Repair]:
    """The line with quotes around its value, or with braces, where that is one of no brackets."""
    entry = _ENTRY.match(text[: scan(text).comment])
    if entry is not None and not scan(text[:index]).brackets:
        two = _TWO_KEYS.fullmatch(entry["key"] + entry["value"])
        if two is not None and may_stand_below(two["key"], two["inner"]):
            reason = f"this belongs below '{two['key']}': put it in a line of its own, indented by two blanks more"
            yield Repair(entry.start("value") + 1, reason, f"{entry['key']}{{{entry['value']}}}")
        column, reason = index + 1, said
        if entry["value"][0] in "\"'{[" and index > entry.start("value"):
            column, reason = entry.start("value") + 1, _ends_early(entry["value"])
        yield Repair(column, reason, entry["key"] + _in_quotes(entry["value"]), entry.start("value") + 1)


def _end_of_value(text: str, index: int) -> int:
    """Where the value in brackets ends that has the character at `index` in it: before a sign that is in no quotes, nor
    in brackets of its own."""
    plain = STRAIGHT.sub(lambda match: "\0" * len(match[0]), text)
    depth = 0
    for at in range(index, len(plain)):
        if depth == 0 and plain[at] in "}],":
            return at
        depth += (plain[at] in "{[") - (plain[at] in "}]")
    return next((at for at in range(index, len(plain)) if plain[at] in "}],"), len(text))


def _known_key(text: str, begin: int, index: int) -> int | None:
    """Where the one word ends that is the value from `begin` on, behind which a key of the configuration stands, whose
    ':' is at `index`; None: there is no such key."""
    match = _LAST_WORD.fullmatch(text, begin, index)
    return match.end("value") if match is not None and match["key"] in every_key() else None


def _ends_early(value: str) -> str:
    """Why the `value`, which begins with a quote or a bracket, ends before all of its text."""
    sign = value[0]
    reason = f"what begins with {sign} here ends before the text does"
    if sign in "{[":
        return f"{reason}; put all of the text in quotes, or what follows into the brackets"
    if sign == '"' and "'" not in value and not value.startswith('""'):
        return f"""{reason}; put single quotes around all of it, as in 'ns=3;s="DB"."Cases"'"""
    doubled = "two single" if sign == "'" else "single"
    return f"{reason}; put all of the text in quotes, with {doubled} quotes where it has such in it"


def missing_signs(text: str) -> Iterator[Repair]:
    """The line with what may be missing around its key: a blank, a ':', a '- '."""
    colon = _NO_BLANK.match(text)
    if colon is not None:
        at = colon.start("colon") + 1
        yield Repair(at, "a blank is missing after this ':'", f"{text[:at]} {text[at:]}")
    sign = _SIGN.fullmatch(text)
    if sign is not None:
        at = len(sign["before"] + sign["sign"]) - len(sign["sign"].lstrip())
        written = sign["sign"].strip()
        yield Repair(
            at + 1,
            f"write ':' in the place of '{written}'",
            f"{sign['before']}: {sign['value']}",
            len(sign["before"]) + 3,
        )
    word = _NO_COLON.fullmatch(text)
    if word is not None and (":" not in text or word["rest"].lstrip()[:1] in {"{", "["}):
        at = word.end("word")
        yield Repair(at + 1, WORD_ALONE, f"{text[:at]}:{text[at:]}")
    content = text.lstrip(" ")
    if content.startswith("- "):
        indent = len(text) - len(content)
        yield Repair(indent + 1, DASH_TOO_MANY, " " * indent + content[2:])
    if content and not content.startswith(("- ", "#", "\t")):
        indent = len(text) - len(content)
        yield Repair(indent + 1, NO_BULLET, f"{' ' * indent}- {content}")


def comma_at_end(text: str, around: Iterable[str]) -> Iterator[Repair]:
    """The line with a comma that may be missing at its end, where the lines `around` it, from the first on, have
    brackets that one of the others closes."""
    plain = (STRAIGHT.sub("", line) for line in around)
    open_ = list(accumulate(sum(map(line.count, "{[")) - sum(map(line.count, "}]")) for line in plain))
    content = text[: scan(text).comment].rstrip()
    if content and content[-1] not in ",{[" and open_ and open_[0] > 0 and min(open_) <= 0:
        end = len(content)
        yield Repair(end + 1, "a ',' is missing at the end of this line", f"{content},{text[end:]}")


def _glued(line: Line) -> Iterator[Repair]:
    """A line with brackets, with what belongs between a key and its value, or between two of them."""
    text = line.text
    for match in _GLUED.finditer(text):
        if parted_node(text, match.start("key")) is not None:
            continue
        at = match.start("colon") if match["colon"] else match.start("sign")
        reason = (
            "a blank is missing after this ':'" if match["colon"] else f"write ':' in the place of '{match['sign']}'"
        )
        value, rest = match["filled"] or "", text[match.end() :]
        if value:
            reason, value = f"{reason}, and quotes around the braces", f'"{value}"'
        yield Repair(at + 1, reason, f"{text[:at].rstrip()}: {value}{rest}")
    semicolons = [*_SEMICOLON.finditer(text)]
    if len(semicolons) > 1:
        reason = "write ',' in the place of ';', here and behind it"
        yield Repair(semicolons[0].start() + 1, reason, _SEMICOLON.sub(", ", text))
    for match in semicolons:
        at = match.start()
        yield Repair(at + 1, "write ',' in the place of ';'", f"{text[:at]}, {text[match.end() :]}")


def _narrow(line: Line) -> Iterator[Repair]:
    """The line with signs of YAML in the place of the wide ones of Chinese and Japanese keyboards, but for those that
    stand in quotes or in its comment."""
    plain = STRAIGHT.sub(lambda match: "\0" * len(match[0]), line.text)[: line.comment]
    wide = [at for at, character in enumerate(plain) if character in WIDE]
    if not wide:
        return
    pieces = list(line.text)
    for at in wide:
        blank = " " if WIDE[pieces[at]] in ":," and line.text[at + 1 : at + 2].strip() else ""
        pieces[at] = WIDE[pieces[at]] + blank
    first = line.text[wide[0]]
    yield Repair(wide[0] + 1, f"{name_of(first)} stands here; write {WIDE[first]}", "".join(pieces))


def _closed_quote(line: Line, quote: int) -> Iterator[Repair]:
    text = line.text
    ends = [match.start() for match in re.finditer(r"[,}\]]|[ \t]#|\Z", text) if match.start() > quote]
    if not line.flow:
        ends = [len(text.rstrip()), *ends]
    ends.sort(key=lambda end: text.count("{", quote, end) != text.count("}", quote, end))
    other = "'" if text[quote] == '"' else '"'
    for end in ends:
        if text[end - 1] == other and text.count(other, quote, end) == 1:
            yield Repair(
                quote + 1, f"{NEVER_CLOSED}, but by another sign", f"{text[: end - 1]}{text[quote]}{text[end:]}"
            )
    for end in dict.fromkeys(ends):
        closed = f"{text[:end]}{text[quote]}{text[end:]}"
        unsure = 0 if text.count("{", quote, end) == text.count("}", quote, end) else quote + 1
        yield Repair(quote + 1, NEVER_CLOSED, closed, unsure)
        missing = missing_brackets(scan(closed)) if line.flow and not text[end:].strip() else ""
        if missing:
            reason = f"{NEVER_CLOSED}, and at the end a closing bracket is missing: '{missing}'"
            yield Repair(quote + 1, reason, closed.rstrip() + missing, unsure)


def without_value(text: str) -> str | None:
    """The line `key: value` without its value; None where it is no such line."""
    entry = _ENTRY.match(text)
    return entry["key"].rstrip() if entry is not None else None


def _in_quotes(text: str) -> str:
    content = text.strip().strip("\"'").replace("'", "''")
    return f"'{content}'"
