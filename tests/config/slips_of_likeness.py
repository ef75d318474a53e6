"""What is nearly something else, or the same as it, in the file of a plant, for `test_slips`: names that look alike,
fields beside others, amounts that are good and bad at once, one name for all."""

from tests.config.factory import LINE, T3, TOPIC, WHEN, Slip, slip

GOOD = '- {count: good, raw_data: {yield: "{n}"}}'
QTY = '- {count: scrap.qty, raw_data: {scrap: "{n}", scrap_code: "{scrap.code}"}}'
STATES = "      input: state\n"
MODE = 'mode: {source: plc, node: "nsu=urn:acme:line;s=L00.UnitMode"}'
RUN = "    run:\n"
HOLD = "      hold: 5s"


def _batches(name: str, begins: str) -> str:
    return f"    batches: {{{begins}, name: {name}}}\n{RUN}"


DOUBTFUL = tuple(
    slip(*case, warning=True)
    for case in (
        (GOOD, '- {count: good, raw_data: {yield: "{n}", scrap: ▲"{n}"}}', "as 'yield' and as 'scrap'"),
        (GOOD, '- {count: good, raw_data: {Rejects: "{n}", part_ok: ▲"{n}"}}', "as 'part_ok' and as 'Rejects'"),
        (RUN, _batches('▲"{order}"', "every: 100, count: good"), "all batches of a run", '"{order}-{batch}"'),
        (RUN, _batches("▲Charge", "key: sku"), "all batches would have this name"),
        (HOLD, f"{HOLD}\n      offline: {{after: ▲60ms, category: No Data}}", "is 60s meant"),
        (
            QTY,
            QTY.replace("scrap.code", "scrap.▲coed").replace("_data: {", '_data: {c: "{scrap.code}", '),
            "'code'",
        ),
        (QTY, QTY.replace("scrap.qty", "▲scrap.qyt").replace("raw_data: {", 'raw_data: {c: "{scrap.qty}", '), "'qty'"),
        (WHEN, '"scrap.grade > 5.0 && scrap.grade < 9.0 && scrap.▲garde != 7"', "the field 'grade'"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/L00/EVENTS/scrap", "is 'events' in other topics"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/L00/event-s/scrap", "is 'events' in other topics"),
        (f"topic: {TOPIC}", "topic: ▲p1ant-a/L00/events/scrap", "is 'plant-a' in other topics"),
        ("factory: Factory A", "factory: ▲Fact0ry A", "are these two"),
        ("reason: Changeover}", "reason: ▲Change over}", "Write both alike"),
    )
)
DIVIDED = (
    slip(WHEN, '"speed / ▲0 > 5.0"', "nothing can be divided by 0"),
    slip(WHEN, '"(speed + 1.0) / ▲0.0 > 5.0"', "nothing can be divided by 0"),
)
TAG_TO_STATES = LINE[LINE.index(T3) : LINE.index("      codes:\n")]
EXCHANGED = (
    slip(
        TAG_TO_STATES,
        TAG_TO_STATES.replace(T3, MODE).replace(
            "input: state", "input: ▲mode\n      mode: state\n      preset: packml"
        ),
        "called as a mode",
        "are the two exchanged",
        warning=True,
    ),
)
IN_HEAD = (
    slip("size_limit: 2 GB", "size_limit: 2 GB\n  directory: ▲/dev/shm/oden", "/dev/shm is empty after", warning=True),
    slip(
        '"opc.tcp://10.1.4.20:4840"}',
        '"opc.tcp://10.1.4.20:4840"}\n  plc2: {type: opcua, url: ▲"opc.tcp://10.1.4.20:4840/"}',
        "'plc' is this server too",
        warning=True,
    ),
    slip("127.0.0.1:8321", "127.0.0.1:8321\n  hosts: [page.local▲; edge.local]", "stands ','", warning=True),
)
OF_LIKENESS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "likenesses": (IN_HEAD, (*DOUBTFUL, *DIVIDED, *EXCHANGED)),
}
