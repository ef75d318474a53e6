"""The outbox's files vanish under the running gateway, and come back."""

import shutil

import pytest

from tests.cli.outbox_rig import STATE, Site, stored
from tests.peers import wait_for
from tests.processes import status_json

REMOVED, FULL = "outbox_removed", "outbox_full"


def kinds(site: Site) -> set[str]:
    """The kinds of problems that the page shows."""
    status = status_json(site.status_port)
    return {one["kind"] for one in status["problem_details"]} if status is not None else set()


def test_p9_files_that_vanish_are_told_as_that_until_the_same_come_back(site: Site) -> None:
    """A directory that is moved away is no full disk. The same files in their place again are gone on with; others,
    such as a copy of them, are not, because nothing that is written comes into them."""
    stored(site, STATE)
    site.run()
    assert not kinds(site) & {REMOVED, FULL}
    folder, aside = site.directory / "outbox", site.folder / "aside"
    folder.rename(aside)
    wait_for(lambda: REMOVED in kinds(site))
    assert FULL not in kinds(site)
    status = status_json(site.status_port)
    assert status is not None
    assert status["taking_in"]["state"] != "yes"
    aside.rename(folder)
    wait_for(lambda: REMOVED not in kinds(site))
    assert len(site.json("list")["records"]) == 1
    shutil.copytree(folder, aside)
    folder.rename(site.folder / "first")
    aside.rename(folder)
    wait_for(lambda: REMOVED in kinds(site))
    assert FULL not in kinds(site)


@pytest.mark.parametrize("how", ["moved", "removed"])
@pytest.mark.parametrize("whole", [True, False])
def test_p9_files_that_vanish_are_the_headline_whatever_else_is_wrong(site: Site, how: str, *, whole: bool) -> None:
    """Neither a source nor Oden can be reached, and the outbox's files or its whole directory go: that is told first,
    as soon as it is looked at, and nothing that waits is called safe."""
    stored(site, STATE)
    site.run()
    wait_for(lambda: {"sources_away", "oden_held"} <= kinds(site))
    folder = site.directory if whole else site.directory / "outbox"
    if how == "moved":
        folder.rename(site.folder / "aside")
    else:
        shutil.rmtree(folder)
    wait_for(lambda: REMOVED in kinds(site))
    status = status_json(site.status_port)
    assert status is not None
    shown = [one["kind"] for one in status["problem_details"]]
    assert shown[0] == REMOVED
    assert {"sources_away", "oden_held"} <= {*shown}
    assert "outbox_unreadable" not in shown, "it can be read, and what waits is counted"
    assert status["headline"].startswith("Nothing is taken in: somebody has removed the outbox's files")
    assert "safe" not in " ".join(status["problems"])
