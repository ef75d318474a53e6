"""Addresses for `oden-gateway browse` and `init` that are none."""

import pytest

from gateway.cli.browse import section_of
from gateway.errors import GatewayError


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://edge:PlantedX7@h",
        "mqtt://edge:Planted/X7@h",
        "mqtt://edge:Planted#X7@h",
        "opc.tcp://edge:PlantedX7@h:4840",
        "opc.tcp://edge:Planted/X7@h",
        "mqtt://h:99999",
        "opc.tcp://h:99999",
        "opc.tcp://h,4840",
        "http://h",
    ],
)
def test_p8_what_is_no_address_is_told_and_not_repeated(url: str) -> None:
    """By the rules of a configuration: no user, a port that there is."""
    with pytest.raises(GatewayError, match="is no address") as error:
        section_of(url)
    assert "Planted" not in str(error.value)
