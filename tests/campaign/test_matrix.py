"""A sample of the manners' table; `make manners` prints all of it."""

import pytest

from tests.campaign.matrix import Row, measure, rows

SAMPLE = (
    "range=within",
    "ids=no",
    "errors=detail, one run and one entry refused",
    "overlap=409",
    "overlap=422",
    "match=no_all",
    "metadata=replace, 60 states changed by people and by the machine",
    "5 min without a route, shape=framework",
)


@pytest.mark.parametrize("row", [row for row in rows() if row.name in SAMPLE], ids=lambda row: row.name)
def test_p4_no_manner_loses_doubles_or_stops_anything(row: Row) -> None:
    """Of an hour everything is at Oden once, but for what this Oden refuses, which is a dead letter, and what may be
    there of one that cannot be asked, which a person settles; and the page says so.
    """
    measure(row)
    assert not row.wrong
    assert bool(row.said) == bool(row.dead or row.unsettled or row.faults)
