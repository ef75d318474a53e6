"""Fixtures for the tests of the configuration."""

import os
from collections.abc import Iterator

import pytest

from tests.config.command import environment


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """What the developer's shell has set for the gateway does not count here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - environment().keys():
            patch.delenv(name)
        yield
