"""A secret is found however it was written on its way, in little time, and nothing else is."""

import base64
import html
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.secret_forms import without

SHOWN = "(hidden)"

WRITERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON without escapes": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "an address": lambda text: quote(text, safe=""),
    "an address in small digits": lambda text: "".join(
        sign if sign.isascii() and sign.isalnum() else quote(sign, safe="").lower() for sign in text
    ),
    "a path": quote,
    "a form": quote_plus,
    "a page": html.escape,
    "a page by numbers": lambda text: "".join(sign if sign.isalnum() else f"&#{ord(sign)};" for sign in text),
    "a page by hexadecimal numbers": lambda text: "".join(s if s.isalnum() else f"&#x{ord(s):X};" for s in text),
    "a template": lambda text: html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "Python": lambda text: ascii(text)[1:-1],
    "bytes": lambda text: ascii(text.encode())[2:-1],
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=40))
@example(secret="p@ss/w\"ö%41<rd'+ \\n\\\\x\n\U0001f600")
def test_p8_escaped_once_and_twice(writer: Callable[[str], str], secret: str) -> None:
    """Also within JSON, which the log is, or a page; what stands around it stays."""
    for again in ("as it is", "JSON", "a page"):
        written = WRITERS[again](writer(secret))
        assert without(f"before: {written} after", secret, SHOWN) == f"before: {SHOWN} after"


@pytest.mark.parametrize("writer", ["an address", "an address in small digits", "a path", "a form"])
@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=40))
def test_p8_an_address_within_an_address(writer: str, secret: str) -> None:
    """As where it is sent to another page first."""
    assert without(WRITERS[writer](WRITERS[writer](secret)), secret, SHOWN) == SHOWN


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("before", ["", "x", "xx"])
@given(secret=st.text(st.characters(max_codepoint=255), min_size=9, max_size=40))
@example(secret="\xff\xfb\xef>>>???~~~")
def test_p8_in_base_64(alphabet: Callable[[bytes], bytes], encoding: str, before: str, secret: str) -> None:
    """Wherever it stands in it, but for the signs that have bits of what stands beside it."""
    coded = alphabet(f"{before}{secret} and more".encode(encoding)).decode()
    told = without(f"Basic {coded}", secret, SHOWN)
    kept = told.removeprefix("Basic ").partition(SHOWN)
    assert SHOWN in told
    assert len(kept[0]) <= 4
    assert coded.endswith(kept[2])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("panss", "pa\nss"),
        ("Line 01 and 02", "01"[::-1] * 2),
        ("the word YWJj stands here", "abc"),
        ("pass word", "password"),
        ("PASSWORD", "password"),
    ],
)
def test_what_is_no_form_of_it_stays(text: str, secret: str) -> None:
    """Also four signs of base 64, which stand in a text by chance."""
    assert without(text, secret, SHOWN) == text


@pytest.mark.parametrize("secret", ["\\" * 200, '"' * 200, "/" + "abc" * 8, 'ö"x' * 8, "&%\\" * 60])
@pytest.mark.parametrize("text", ["\\" * 100_000, '\\"' * 50_000, "&amp;" * 20_000, "%25" * 30_000, "&#000" * 20_000])
def test_no_text_takes_long(secret: str, text: str) -> None:
    """However it seems to be about to become the secret."""
    without("", secret, SHOWN)
    begun = time.process_time()
    without(text, secret, SHOWN)
    assert time.process_time() - begun < 2.0
