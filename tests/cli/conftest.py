"""Sites for the tests of commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.outbox_rig import END, ENTRY, RUN, STATE, Site, stored
from tests.processes import end_all


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    end_all(site.processes)


@pytest.fixture
def refused(site: Site) -> Site:
    """A refused run, its output and its end behind it, and a state that waits; no gateway runs."""
    stored(site, RUN, refused=1)
    stored(site, ENTRY, END, STATE)
    return site
