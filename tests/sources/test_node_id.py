"""Node ids as they stand in the configuration."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.addresses import BrowsePath, NodeAddress, node_text, parse_node_id, parse_place, path_text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("nsu=urn:acme:line;s=L01.State", NodeAddress("urn:acme:line", "L01.State")),
        ("nsu=http://a/%3Bb%25;i=7", NodeAddress("http://a/;b%", 7)),
        ('ns=3;s="DB_Line".State;x=1', NodeAddress(3, '"DB_Line".State;x=1')),
        ("ns=2;i=1001", NodeAddress(2, 1001)),
        ("i=2258", NodeAddress(0, 2258)),
        ("ns=1;b=AQI=", NodeAddress(1, b"\x01\x02")),
        (
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            NodeAddress(1, UUID("09087e75-8e5e-499b-954f-f2a9603db28a")),
        ),
    ],
)
def test_every_form_of_the_standard_is_understood(text: str, address: NodeAddress) -> None:
    """Numeric, string, GUID and opaque identifiers, with a namespace by URI, by index, or none."""
    assert parse_node_id(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("L01.State", "write a node id such as"),
        ("", "write a node id such as"),
        ("ns=2,i=1", "write a node id such as"),
        ("nsu=;s=x", "namespace after nsu= is empty"),
        ("ns=70000;i=1", "from 0 to 65535"),
        ("ns=x;i=1", "from 0 to 65535"),
        ("ns=2;i=", "nothing stands after i="),
        ("ns=2;i=-1", "from 0 to 4294967295"),
        ("ns=2;i=4294967296", "from 0 to 4294967295"),
        ("ns=2;g=123", "not a GUID"),
        ("ns=2;b=*", "not base64"),
    ],
)
def test_what_is_no_node_id_is_refused_with_what_would_be_right(text: str, reason: str) -> None:
    """A wrong node id is refused with a sentence to act on."""
    with pytest.raises(ValueError, match=reason):
        parse_node_id(text)


@given(st.integers(0, 0xFFFF), st.text(min_size=1))
def test_a_string_identifier_is_taken_as_it_is(index: int, name: str) -> None:
    """Semicolons, quotes, spaces and line ends are part of the identifier, as PLC programs have them."""
    assert parse_node_id(f"ns={index};s={name}") == NodeAddress(index, name)


NAMESPACES = st.one_of(st.integers(0, 0xFFFF), st.text(min_size=1))


@given(NAMESPACES, st.one_of(st.integers(0, 2**32 - 1), st.text(min_size=1), st.uuids(), st.binary(min_size=1)))
def test_a_node_id_is_written_so_that_it_is_read_back(
    namespace: str | int, identifier: int | str | UUID | bytes
) -> None:
    """Whatever stands in namespace and identifier."""
    address = NodeAddress(namespace, identifier)
    assert parse_node_id(node_text(address)) == address


@given(st.lists(st.tuples(NAMESPACES, st.text()), min_size=1, max_size=4))
def test_a_browse_path_is_written_so_that_it_is_read_back(steps: list[tuple[str | int, str]]) -> None:
    """Whatever stands in the names; one with an empty name cannot be written."""
    path = BrowsePath(tuple(steps))
    text = path_text(path)
    assert (text is None) == any(not name for _, name in steps)
    if text is not None:
        assert parse_place(text) == path
