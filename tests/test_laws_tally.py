"""What `make laws` says at its end: of each file how many made plants were tried, what failed, and the seconds."""

import pytest

TESTS = """
import pytest
from hypothesis import given, settings, strategies as st
from tests.mapping.laws import PIECES

@pytest.mark.parametrize("piece", PIECES)
@given(st.integers())
@settings(max_examples=10, database=None)
def test_law(piece, number):
    pass

@pytest.mark.parametrize("seed", range(3))
def test_line(seed):
    assert seed < 2
"""
CONFTEST = """
from tests.mapping.laws import Tally

def pytest_configure(config):
    config.pluginmanager.register(Tally())
"""
pytest_plugins = ["pytester"]


def test_every_made_plant_is_counted(pytester: pytest.Pytester) -> None:
    """Ten in the only piece of a law, three of a test that has a case for each; one of these fails."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    told = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:asyncio").stdout
    told.re_match_lines([r"test_every_made_plant_is_counted\.py +13 plants, 1 tests failed, \d+ s"])
