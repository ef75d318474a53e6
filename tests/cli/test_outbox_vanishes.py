"""The outbox's files vanish under the running gateway, and come back."""

import shutil

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
