"""P8: an address is shown without what may be a secret in it."""

import pytest

from gateway.secret_forms import not_shown, shown_address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://h/a?password=X", "mqtt://h/a?password=***"),
        ("wss://h/mqtt?token=X&user=Y=", "wss://h/mqtt?token=***&user=***"),
        ("wss://h/mqtt?X", "wss://h/mqtt?***"),
        ("wss://h/mqtt?v=1&X", "wss://h/mqtt?v=***&***"),
        ("wss://h/mqtt?X&v=1;X=#X", "wss://h/mqtt?***&v=***;***#***"),
        ("wss://h/mqtt?token=X X", "wss://h/mqtt?token=***"),
        ("mqtt://me:1/X@h:1883", "mqtt://***@h:1883"),
        ("mqtt://me:1#X@X@h/a?v=X@X", "mqtt://***@h/a?v=***"),
        ("wss://h:443/to?v=X@X", "wss://h:443/to?v=***"),
        ("opc.tcp://me:X@h:4840", "opc.tcp://***@h:4840"),
        ("https://api.oden.app/v2", "https://api.oden.app/v2"),
    ],
)
def test_p8_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_address(url) == shown
    assert all(hidden in url and hidden not in shown for hidden in not_shown(url))
    assert ("X" in url) == any("X" in hidden for hidden in not_shown(url))
