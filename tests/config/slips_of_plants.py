"""What people wrote by mistake in the file of a moulding and packing plant, for `test_slips`: what was taken as it
stood, and what was told twice."""

from tests.config.factory import Slip, slip

WHEN = '{when: "speed > 5.0"}'
STATE = 'state: {source: plc, node: "nsu=urn:acme:line;s=L00.State"}'
SPEED = 'speed: {source: plc, node: "nsu=urn:acme:line;s=L00.Speed"}'
GOOD = "counter: {rollover: 65536, max_rate: 5/s}"
SKU = "topic: plant-a/L00/events/order, field: sku}"
SCRAP = "topic: plant-a/L00/events/scrap, time: at}"
NAME = 'name: "{order}"\n'
TARGET = '{set: target, product: "{sku}", metric_group: Speed, value: 12.5}'
WORK = "{set: maintenance_work_order, event: scrap, external_id: '{scrap.number}', name: Blade, started_at: "

IN_CONDITIONS = (
    slip(WHEN, '{when: "▲t1[3]"}', "has no elements", "bit(t1, 3)", "index: 3"),
    slip(WHEN, '{when: "▲string(t1) == 4"}', 'write string(t1) == "4"'),
    slip(WHEN, "{when: \"▲int(t1) > '5'\"}", "never like a text"),
    slip(WHEN, '{when: "▲t1 == 4 && t1 == 5"}', "never holds", 'write "t1 in [4, 5]"'),
    slip(WHEN, '{when: "t1 == 1 && ▲speed == 4 && speed == 4.5"}', 'write "speed in [4, 4.5]"'),
    slip(WHEN, '{when: ▲"${speed} > 5.0"}', "in a condition, speed alone"),
)
OF_INPUTS = (
    slip(GOOD, "counter: {max_rate: 5/s, restarts_with: ▲good}", "not start again with itself"),
    slip(SKU, "topic: plant-a/L00/events/order, field: ▲sum(sku}", "a parenthesis is missing"),
    slip(STATE, 'state: {source: plc, node: ▲"ns=urn:acme:line;s=L00.State"}', "write nsu=urn:acme:line"),
)
QUOTES = (
    slip(WHEN, '{when: "t1 == ▲begun\'"}', 'a quote is missing before "begun"'),
    slip(WHEN, '{when: "t1 == 1 && t1 == ▲in progress\' && speed > 3"}', 'a quote is missing before "in"'),
    slip(WHEN, """{when: "string(t1).▲equals('4')"}""", 'write "==" to compare'),
    slip(WHEN, '{when: "speed > 5.0 ▲& t1 == 2"}', 'write "&&", not "&"'),
    slip(WHEN, '{when: "speed > 5.0 ▲| t1 == 2"}', 'write "||", not "|"'),
)
OF_INPUTS_DOUBTFUL = (
    slip(SKU, 'topic: plant-a/L00/events/order, field: ▲"{sku.text}"}', "inputs are not filled in", warning=True),
    slip(SCRAP, 'topic: plant-a/L00/events/scrap, time: at, id: ▲"at, qty"}', "write [at, qty]", warning=True),
    slip(SCRAP, "topic: plant-a/L00/events/scrap, time: at, id: ▲at + qty}", "write [at, qty]", warning=True),
    slip(SPEED, SPEED.replace("}", ', default: ▲"{t1}"}'), "a default is a value", warning=True),
    slip(NAME, 'name: ▲order + "-" + sku\n', "put together", '"{order}-{sku}"', warning=True),
    slip(NAME, 'name: ▲"{scrap.lot|order}"\n', "behind the bar", '"|{order}}"', warning=True),
    slip(
        "      hold: 5s",
        "      hold: 5s\n      operator: {event: scrap, reason: x, of: [▲Uptine]}",
        "'Uptime'",
        warning=True,
    ),
)
TIMES = (
    slip(TARGET, f"{WORK}▲at}}", "no time", '"{at}"'),
    slip(TARGET, f'{WORK}"{{at}}", completed_at: ▲now}}', "no time"),
    slip("settle: 500ms", "settle: ▲1m30s", "one number with one unit"),
    slip("settle: 500ms", 'settle: ▲"2s,"', "write 2s, without the sign"),
)
IN_HEAD = (
    slip('"opc.tcp://10.1.4.20:4840"', '▲"opc.tcp://10.1.4.20,4840"', "',' cannot stand", "':'"),
    slip("127.0.0.1:8321", "▲http://127.0.0.1:8321", "address:port"),
)
IN_SOURCES = (slip('"opc.tcp://10.1.4.20:4840"', '▲"opc.tpc://10.1.4.20:4840"', "did you mean 'opc.tcp://'"),)
IN_HEAD_2 = (slip("client_id: edge-01", 'client_id: edge-01, presence: {topic: ▲"plant-a/#"}', "without wildcards"),)

OF_PLANTS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "in conditions of a plant": ((), IN_CONDITIONS),
    "quotes and signs in conditions of a plant": (IN_SOURCES, QUOTES),
    "inputs of a plant": (IN_HEAD, OF_INPUTS),
    "inputs of a plant, doubtful": ((), OF_INPUTS_DOUBTFUL),
    "times of a plant": (IN_HEAD_2, TIMES),
}
