"""What stands where something else is meant, in the file of a plant, for `test_slips`: conditions that leave nothing to
each other, counts that name a run, halves of a number the wrong way round, categories as reasons."""

from tests.config.factory import LINE, T3, WHEN, Slip, slip

STATES = LINE[LINE.index("      input: state") : LINE.index("      other:")]
RULE = '- {set: target, product: "{sku}", metric_group: Speed, value: 12.5}'
WORK = '{set: maintenance_work_order, event: scrap, name: Blade, started_at: "{at}", external_id: '
SCRAP = "      scrap: {source: floor, topic: plant-a/L00/events/scrap, time: at}"
CHANGEOVER = "2: {category: Planned Downtime, reason: Changeover}"


def _ladder(*whens: str) -> str:
    return "      ladder:\n" + "".join(f"        - {{when: {when}, category: Uptime}}\n" for when in whens)


def _halves(low: str, high: str, words: str) -> str:
    halves = (f'{name}: {{source: plc, node: "ns=2;s=L00.{name}"}}' for name in (low, high))
    return "\n      ".join((*halves, f"t3: {{words: {words}, counter: {{max_rate: 5/s}}}}"))


RANGES = tuple(
    slip(WHEN, written, *words, warning=True)
    for written, *words in (
        ('"speed > 80 && ▲speed < 20"', 'never holds together with "speed > 80"'),
        ('"state == 1 || (speed <= 5 && t1 == 2 && ▲speed > 5)"', 'with "speed <= 5"'),
        ('"speed >= 5.0 && ▲5 > speed"', 'with "speed >= 5.0"'),
        ('"t1 != 1 || ▲t1 != 2"', "always holds", 'write "!(t1 in [1, 2])"'),
        ("\"t1 != 'a' || speed > 5 || ▲t1 != 'b'\"", "always holds"),
    )
)
RUNGS = tuple(
    slip(STATES, _ladder(*rungs), "holds whenever this one does", warning=True)
    for rungs in (
        ('"t1 == 1"', '▲"t1 == 1 && speed < 5.0"'),
        ('"t1 == 1 || t2 == 1"', '▲"t2 == 1"'),
        ('"t1 == 1"', '▲"(t2 == 1) && t1==1"'),
    )
)
PURPOSES = tuple(
    slip(*case, warning=True)
    for case in (
        ("      key: order", "      key: ▲good", "is a running count"),
        ("{type: Recipe, key: sku,", "{type: Recipe, key: ▲reject,", "is a running count"),
        (RULE, f"{RULE}\n      - {WORK}▲Service}}", "one work order, 'Service'"),
        (CHANGEOVER, "2: {category: Changeover, reason: ▲Planned Downtime}", "are the two exchanged?"),
        (CHANGEOVER, "2: {category: Planned Downtime, reason: ▲Uptime}", "write why"),
        (T3, _halves("t_low", "t_high", "▲[t_low, t_high]"), "write [t_high, t_low]"),
        (T3, _halves("totalLo", "totalHi", "▲[totalLo, totalHi]"), "write [totalHi, totalLo]"),
        ("    run:\n", "    late: 30m\n    late_max: ▲12m\n    run:\n", "less than 'late', 1800 s"),
        (
            SCRAP,
            f"{SCRAP[:-1]}, only: {{type: scrap}}}}\n      rework: {{{SCRAP.strip()[8:-1]}, only: {{▲typ: rework}}}}",
            "look at the field 'type'",
        ),
    )
)
NODES = (
    slip(T3, 't3: {source: plc, node: ▲"i=85"}', "the folder Objects"),
    slip(T3, 't3: {source: plc, node: ▲"ns=0;s=L00.T3"}', "namespace 0", warning=True),
    slip(
        T3,
        "t3: {source: floor, device: ▲Plant A/DDATA/Edge 1, metric: A}",
        "write 'Plant A/Edge 1'",
        warning=True,
    ),
)
LEVEL = (slip("level: info", "level: ▲verbose", "did you mean 'debug'?"),)
OF_SOURCES = (
    slip(
        "client_id: edge-01}",
        'client_id: edge-01, username: a, password: ▲"${secret:oden_token}"}',
        "the token of Oden",
        warning=True,
    ),
)
PRESENCE = (
    slip(
        "client_id: edge-01}",
        "client_id: edge-01, presence: {topic: ▲plant-a/L01/events/scrap}}",
        "would take the gateway's own",
        warning=True,
    ),
)
OF_PURPOSE: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "ranges": (LEVEL, RANGES),
    "rungs": (OF_SOURCES, RUNGS),
    "purposes": (PRESENCE, PURPOSES),
    "nodes": ((), NODES),
}
