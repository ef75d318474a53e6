"""The real servers of the tests of OPC UA: one for all tests of a module, because it takes seconds of work to build."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.peers import OpcuaServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[OpcuaServer]:
    """A server that runs for all tests of a module; its namespace is not the first beside the standard's."""
    server = OpcuaServer()
    await server.start(before=("urn:other",), L01__State=1)
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def plc() -> AsyncIterator[OpcuaServer]:
    """A server of one test's own that is not running yet."""
    plc = OpcuaServer()
    yield plc
    await plc.stop()


@pytest.fixture
def tag(request: pytest.FixtureRequest) -> str:
    """A variable's name that no other test uses."""
    return f"{request.node.name}.State"
