"""What must not be shown: a secret, however it is written, and of an address who it names and what its query says.

Whoever repeats what he was told in confidence may have escaped it on the way. Each character of a secret is looked for
as it is, and as an address (`%2F`, `%2f`, `+`), a page (`&quot;`, `&#39;`, `&#x27;`) and JSON or Python (`\\"`,
`\\u00fc`, `\\xfc`) write it, also where an address, a page or JSON has that in it; and all of it in base 64, of either
alphabet. What of it is escaped is for each writer to choose, so any mixture counts.
"""

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from html.entities import codepoint2name

SHORTEST_CODED = 8
"""Signs in base 64; fewer of them stand by chance in what is no secret."""
DEEPEST = 16
"""Backslashes that one may have become: it was escaped four times then."""

_NEVER_ESCAPED = re.compile(r"[A-Za-z0-9]+")
_NAMES = codepoint2name | {ord("'"): "apos"}
_BACKSLASH = r"(?:\\|%(?:25)*5[cC]|&(?:amp;)*(?:#0*92|#[xX]0*5[cC]|bsol);)"
_SHORT = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}

_USER = re.compile(r"(?<=://)[^?]*@")
"""Who is named before the host, also where a password has a `/` or `#` that should have been escaped: `me:1/word@host`
reads as a host with a port and a path.
"""
_PART = re.compile(r"(?<![^&;#])([^&;#=]*=|)[^&;#]+")
"""A part of a query: its name with the sign behind it, or nothing, and what it says."""


def without(text: str, secret: str, shown: str) -> str:
    """`text` with `shown` wherever it has `secret`, which is not empty."""
    for part, form in _forms(secret):
        if part in text:
            text = form.sub(lambda _: shown, text)
    return text


@lru_cache(maxsize=64)
def _forms(secret: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What is looked for, each with the longest part that nobody escapes: where that is not, neither is the form."""
    coded = sorted({form for encoding in ("utf-8", "latin-1") for form in _coded(secret, encoding)})
    forms = [(secret, _written(secret)), *((form, "".join(map(_in_base_64, form))) for form in coded)]
    parts = (max(_NEVER_ESCAPED.findall(form), key=len, default="") for form, _ in forms)
    return tuple((part, re.compile(looked_for)) for part, (_, looked_for) in zip(parts, forms, strict=True))


def _coded(secret: str, encoding: str) -> Iterator[str]:
    """`secret` in base 64, at each of the three places that it may have there; the signs at its ends are left out that
    have bits of their neighbours."""
    try:
        content = secret.encode(encoding, errors="surrogatepass")
    except UnicodeEncodeError:
        return
    for before in range(3):
        signs = base64.b64encode(bytes(before) + content).decode()
        form = signs[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
        if len(form) >= SHORTEST_CODED:
            yield form


def _in_base_64(sign: str) -> str:
    """A sign of either alphabet."""
    return {"+": f"(?:-|{_character('+')})", "/": f"(?:_|{_character('/')})"}.get(sign, sign)


def _written(secret: str) -> str:
    """Backslashes are taken together, with those of the escape that follows."""
    looked_for, before = "", 1
    for piece in re.findall(r"\\+|[^\\]", secret):
        if piece[0] == "\\":
            looked_for += f"{_BACKSLASH}{{{len(piece)},{len(piece) * DEEPEST}}}+"
        else:
            looked_for += _character(piece, before)
        before = 0 if piece[0] == "\\" else 1
    return looked_for


def _character(character: str, before: int = 1) -> str:
    """One that is no backslash; `before` is how many backslashes an escape has at least."""
    if _NEVER_ESCAPED.match(character):
        return re.escape(character)
    number, literal, content = ord(character), re.escape(character), character.encode(errors="surrogatepass")
    pairs = character.encode("utf-16-be", errors="surrogatepass")
    first, *rest = (f"u{_hex(pairs[at : at + 2])}" for at in range(0, len(pairs), 2))
    pair = "".join((first, *(rf"\\{{1,{DEEPEST}}}+{unit}" for unit in rest)))
    escapes = [pair, f"U{_hex(number.to_bytes(4, 'big'))}", *filter(None, [_SHORT.get(character)])]
    hexadecimal = _hex(number.to_bytes(3, "big")).lstrip("0")
    names = "|".join((f"#0*{number}", f"#[xX]0*{hexadecimal}", *filter(None, [_NAMES.get(number)])))
    forms = [f"&(?:amp;)*(?:{names});", _percent(content)]
    if len(content) > 1:
        escapes.append(rf"\\{{1,{DEEPEST}}}+".join(f"x{_hex(bytes([byte]))}" for byte in content))
    if number < 256:
        escapes.append(f"x{_hex(bytes([number]))}")
        forms.append(_percent(bytes([number])))
    if character == " ":
        forms += [r"\+", _percent(b"+")]
    forms.append(literal)
    some, any_number = rf"\\{{{before},{DEEPEST}}}+", rf"\\{{0,{DEEPEST}}}+"
    return f"(?:{some}(?:{'|'.join(escapes)})|{any_number}(?:{'|'.join(dict.fromkeys(forms))}))"


def _percent(content: bytes) -> str:
    return "".join(f"%(?:25)*{_hex(bytes([byte]))}" for byte in content)


def _hex(content: bytes) -> str:
    """`content` in hexadecimal digits, small or large."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in content.hex())


def shown_address(url: str) -> str:
    """`url` without what may be a secret: who it names before the host, and the values of its query."""
    before, mark, query = _USER.sub("***@", url).partition("?")
    return before + mark + _PART.sub(r"\1***", query)


def not_shown(url: str) -> Iterator[str]:
    """What of `url` is not shown."""
    for user in _USER.findall(url):
        yield user.removesuffix("@")
    for part in _PART.finditer(url.partition("?")[2]):
        yield part[0].removeprefix(part[1])
