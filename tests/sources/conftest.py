"""The broker of the tests of sources, and an edge node beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import edge_node as wire
from tests.edge_node import EdgeNode
from tests.peers import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker."""
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def edge(broker: Mosquitto) -> Iterator[EdgeNode]:
    """An edge node with a press, not connected yet."""
    edge = EdgeNode(broker.port)
    edge.add("Press 7", State=(wire.INT32, 6), Counts__Good=(wire.UINT32, 100), Order=(wire.STRING, "4711"))
    edge.add("Oven", Heat=(wire.FLOAT, 180.5))
    yield edge
    edge.stop()
