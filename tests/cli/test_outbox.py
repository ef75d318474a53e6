"""`oden-gateway outbox` as a process: asking a gateway that runs, and on the files of one that does not."""

import json
import time

import pytest

from gateway.model import Notice
from gateway.outbox import told
from gateway.outbox.entries import Attempt
from tests.cli.outbox_rig import BODY, END, ENTRY, LINE, RUN, STATE, Site, stored
from tests.outbox.test_power_loss import format_2


def test_list_shows_what_an_engineer_needs(refused: Site) -> None:
    """Key, place, age, line, the record in plain words and the error; within 100 columns; refused ones first."""
    done = refused.command("list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["KEY", "WHERE", "AGE", "LINE", "WHAT"]
    key, where, age, what = lines[1].split(None, 3)
    assert (key, where, what) == (RUN.key[:14], "dead", f"{LINE}  run 4711 starts 2026-11-22 14:03")
    assert age in {"2h", "3h"}  # it was two hours old when the tests began
    assert lines[2] == "  400: no such product: Film 20"
    rest = "\n".join(lines[3:])
    assert "12 yield, 3 scrap Splice at 2026-11-22 14:04" in rest
    assert "run ends 2026-11-22 15:03" in rest
    assert "state Unplanned Downtime,… starts 2026-11-22 14:03" in rest


def test_list_is_narrowed_by_filters(refused: Site) -> None:
    """Each filter leaves what fits; the limit says that there are more; what does not exist is nothing or an error."""

    def keys(*arguments: str) -> set[str]:
        return {item["record"]["key"] for item in refused.json("list", *arguments)["records"]}

    assert keys("--where", "dead") == keys("--error", "No Such") == {RUN.key}
    assert keys("--kind", "state") == keys("--newer", "90m") == {STATE.key}
    assert keys("--older", "1h", "--kind", "output") == {ENTRY.key}
    assert keys("--line", "Line 01") == keys("--line", LINE) == {RUN.key, ENTRY.key, END.key, STATE.key}
    answer = refused.json("list", "--limit", "2")
    assert (len(answer["records"]), answer["more"]) == (2, True)
    assert refused.json("list", "--limit", "4")["more"] is False
    assert "No records." in refused.outbox("list", "--where", "doubt")
    assert f"no line is called 'Line 99'. Lines here: {LINE}" in refused.outbox("list", "--line", "Line 99", code=1)


def test_show_shows_all_of_one(refused: Site) -> None:
    """The record, the request exactly as sent, the answer, how often it was sent, and what waits for it."""
    text = refused.outbox("show", RUN.key[:14].lower())
    assert text.startswith("run 4711 starts 2026-11-22 14:03\n")
    assert f"The request, as it was sent to interval/set\n{BODY}\n" in text
    assert "The answer\n400: no such product: Film 20\n" in text
    assert "sent    once" in text
    assert "2 records wait for it:" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    answer = refused.json("show", RUN.key)
    assert (answer["letter"]["body"], answer["number_of_dependents"]) == (BODY, 2)
    assert answer["record"]["record"]["details"] == {"product": "Film 20"}
    assert "no record here has the key 01ZZZ" in refused.outbox("show", "01zzz", code=1)
    assert "more than one record here begins with 01" in refused.outbox("show", "01", code=1)


def test_show_says_when_it_is_tried_next(site: Site) -> None:
    """One that waits for its next try says in how long that is, with its request and the reason."""
    stored(site, STATE)
    outbox = site.open()
    (work,) = outbox.work()
    outbox.begin(
        work,
        Attempt(work.lane, work.positions, "interval/set", BODY, 1.0, 3, "retry", time.time() + 3000, "503: busy"),
    )
    outbox.close()
    text = site.outbox("show", STATE.key)
    assert "next    tried again in 49 min" in text or "next    tried again in 50 min" in text
    assert "sent    3 times" in text
    assert "The answer\n503: busy" in text
    assert site.outbox("retry", STATE.key) == "1 record will be sent once more.\n"
    assert "tried again as soon as its turn comes" in site.outbox("show", STATE.key)


def test_retry_on_the_files(refused: Site) -> None:
    """A retried record waits again; nothing is lost; one that is no dead letter, or nothing said, is refused."""
    refused_keys = {item["record"]["key"] for item in refused.json("list")["records"]}
    assert "is not a dead letter: it waits for its turn. Nothing was changed." in refused.outbox(
        "retry", STATE.key, code=1
    )
    assert refused.outbox("retry", RUN.key[:16]) == "1 record will be sent once more.\n"
    assert refused.outbox("retry", "--all") == "0 records will be sent once more.\n"
    assert {item["where"] for item in refused.json("list")["records"]} == {"waiting"}
    # The end has become part of its start, which waits again.
    assert {item["record"]["key"] for item in refused.json("list")["records"]} == refused_keys
    assert "records that are dead or unsettled or again, not parked" in refused.outbox(
        "retry", "--where", "parked", code=1
    )
    for arguments in (["retry"], ["drop"], ["retry", RUN.key, "--all"], ["drop", "--all", "--line", "Line 01"]):
        assert "say which" in refused.outbox(*arguments, code=2)
    refused.outbox("verify")


def test_drop_asks_and_takes_what_depends_on_it(refused: Site) -> None:
    """It says how many, does nothing without a yes, and takes with a start all that names it; the rest stays."""
    asked = "This gives up 1 dead letter, and 2 records that depend on it. They will never be at Oden."
    for answer in ("", "n\n", "1\n"):
        printed = refused.outbox("drop", "--where", "dead", text=answer, code=1)
        assert asked in printed
        assert "Nothing was dropped." in printed
    assert "records that are dead or unsettled or deleted, not waiting" in refused.outbox(
        "drop", "--where", "waiting", "--yes", code=1
    )
    assert len(refused.json("list")["records"]) == 4
    printed = refused.outbox("drop", RUN.key, text="y\n")
    assert asked in printed
    assert printed.endswith("Dropped 1 dead letter, and 2 records that depend on it.\n")
    assert [item["record"]["key"] for item in refused.json("list")["records"]] == [STATE.key]
    assert refused.outbox("drop", "--all", "--yes") == "Dropped 0 dead letters.\n"
    assert refused.outbox("drop", "--all") == "There is nothing to drop.\n"
    refused.outbox("verify")


def test_an_export_is_changed_and_imported(refused: Site) -> None:
    """What is exported, one record a line, can be changed and sent; a wrong line, and nothing of the file is."""
    lines = refused.outbox("export").splitlines()
    assert [json.loads(line)["where"] for line in lines] == ["dead", "waiting", "waiting", "waiting"]
    (line,) = refused.outbox("export", "--where", "dead").splitlines()
    fixed = json.loads(line)
    fixed["details"]["product"] = "Film 21"
    changed = json.dumps(fixed)
    path = refused.folder / "letters.jsonl"
    path.write_text(f"{changed}\n{lines[1]}\n")
    assert f"line 2: there is no dead letter {json.loads(lines[1])['key']}" in refused.outbox(
        "import", str(path), code=1
    )
    path.write_text(f'{changed}\n\n{{"key": \n')
    assert "line 3: this is not JSON" in refused.outbox("import", str(path), code=1)
    assert refused.json("list", "--where", "dead")["records"] != []
    assert refused.outbox("import", "-", text=changed) == "1 record will be sent as the file says.\n"
    assert refused.json("list", "--where", "dead")["records"] == []
    assert refused.json("show", RUN.key)["record"]["record"]["details"] == {"product": "Film 21"}
    assert "No such file" in refused.outbox("import", str(path) + ".no", code=1)


def test_stats_say_how_much_and_how_long(refused: Site) -> None:
    """Records by place and line, requests and minutes at the configured pace; without a gateway no rate is known."""
    answer = refused.json("stats")
    assert (answer["records"], answer["where"]) == (4, {"waiting": 3, "dead": 1})
    assert answer["lines"] == {LINE: {"waiting": 3, "dead": 1}}
    assert (answer["requests"], answer["minutes"]) == (3, pytest.approx(3 / 50 / 60))
    assert answer["bytes"] > 4000
    assert 0 < answer["room"] < 10**8
    assert (answer["records_per_hour"], answer["hours"]) == (None, None)
    text = refused.outbox("stats")
    assert "4 records" in text
    assert "to drain at the configured pace, with 3 requests at the least" in text
    assert "at Oden" not in text
    outbox = refused.open()
    told.note(outbox, Notice("oden", 1.0, "", "", "Line 01: a run that was not begun from here"))
    outbox.close()
    assert refused.json("stats")["at_oden"] == ["Line 01: a run that was not begun from here"]
    assert "not told from here (the newest first):\n  Line 01: a run" in refused.outbox("stats")


def test_verify_says_what_is_wrong(refused: Site) -> None:
    """In order, it ends with 0; with a row that is gone, with 1 and the row's name."""
    assert refused.outbox("verify") == "4 records were read: they are in order.\n"
    outbox = refused.open()
    with outbox.transaction() as transaction:
        transaction.drop.add(f"record/{LINE}/output/0")
    outbox.close()
    assert f"{LINE}/output: 0 records are there, and 1 should be" in refused.outbox("verify", code=1)
    answer = refused.json("verify", code=1)
    assert (answer["ok"], answer["records"]) == (False, 3)


def test_verify_reports_damage_until_it_is_acknowledged(refused: Site) -> None:
    """A report of damage makes it end with 1, each time, until it is acknowledged; then no more."""
    report = {
        "at": 1_795_356_180.0, "folder": "outbox-damaged-2026", "reason": "the disk image is malformed",
        "read": 17, "lost": {"record": 2}, "keys": ["record/x/1"],
    }  # fmt: skip
    outbox = refused.open()
    with outbox.transaction() as transaction:
        transaction.put["damage"] = json.dumps([report])
    outbox.close()
    for _ in range(2):
        text = refused.outbox("verify", code=1)
        assert "2026-11-22 14:03: the outbox was damaged: the disk image is malformed" in text
        assert "17 rows could be read. The damaged files are in outbox-damaged-2026." in text
        assert "Lost: 2 record." in text
    assert "This is acknowledged now." in refused.outbox("verify", "--acknowledge")
    assert "damaged" not in refused.outbox("verify")


def test_where_there_is_no_outbox_none_is_made(site: Site) -> None:
    """A command on a directory that is not there says so and leaves nothing behind."""
    assert "there is no outbox in" in site.outbox("list", code=1)
    assert not site.directory.exists()


@pytest.mark.parametrize("command", ["list", "show", "retry", "drop", "export", "import", "stats", "verify"])
def test_help_has_an_example(site: Site, command: str) -> None:
    """Each command explains itself, with an example that begins as it is typed."""
    text = site.outbox(command, "--help")
    assert f"example:\n  oden-gateway outbox {command} " in text


def test_wrong_usage_is_refused(site: Site) -> None:
    """A duration without a unit, a limit of nothing and an unknown place end with 2 and say what is right."""
    assert "'2' is not a duration with its unit" in site.outbox("list", "--older", "2", code=2)
    assert "'0' is not a number of records" in site.outbox("list", "--limit", "0", code=2)
    assert "invalid choice: 'lost'" in site.outbox("list", "--where", "lost", code=2)
    (site.folder / "gateway.yaml").write_text("oden: 7")
    site.outbox("list", code=2)


def test_what_is_said_of_an_outbox_that_is_opened_is_no_part_of_the_answer(site: Site) -> None:
    """The first command after an upgrade finds an earlier format: that it is kept is said on standard error."""
    format_2(site.directory)
    done = site.command("list", "--where", "dead", "--json")
    assert (done.returncode, len(json.loads(done.stdout)["records"])) == (0, 2)
    assert "outbox_kept" in done.stderr
