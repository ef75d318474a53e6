"""More of what people write by mistake, for `test_slips`: other spellings, other products' words, doubts."""

from tests.config.factory import NODE, TOPIC, UPTIME, Slip, slip

ROLLOVER = "rollover: 65536, max"
OTHER = 'other: {category: Unplanned Downtime, reason: "PLC code {state}"}'

SPELLINGS = (
    slip(UPTIME, "1▲:{category: Uptime}", "a blank is missing after this ':'"),
    slip(UPTIME, "1 ▲= {category: Uptime}", "write ':' in the place of '='"),
    slip(UPTIME, "1 ▲-> Uptime", "write ':' in the place of '->'"),
    slip(UPTIME, "▲- 1: {category: Uptime}", "this '- ' is one too many"),
    slip(UPTIME, "▲// 1: {category: Uptime}", "a comment begins with '#'"),
    slip(UPTIME, "1: {category: Uptime} ▲// runs", "a comment begins with '#'"),
    slip(UPTIME, "1: {category: Uptime}▲,", "one ',' too many"),
    slip(UPTIME, "1: {category: ▲Uptime: yes}", "a ',' is missing"),
    slip("Downtime, reason: Changeover", "Downtime,▲, reason: Changeover", "one ',' too many"),
    slip(UPTIME, "1: (category▲: Uptime)", "no ':' can stand here"),
    slip("field: number", "field: order▲[number]", "inside brackets", "needs quotes"),
    slip("field: number", "field: ▲#.number", "begins a comment"),
    slip("field: number", "field: *▲", "begins with '*' or '&' needs quotes"),
    slip(f"topic: {TOPIC}", "topic: plant-a/$▲{line}/events/scrap", "needs quotes"),
    slip(NODE, '▲"ns=3;s="DB1"."Speed""', "single quotes"),
    slip("hold: 5s", "hold: 5s\n      ▲<<: {hold: 6s}", "merges nothing", "template"),
    slip("      hold: 5s", "      hold ▲= 5s", "write ':' in the place of '='"),
)
KEYS = (
    slip("    inputs:\n", "    ▲tags:\n", "did you mean 'inputs'"),
    slip("- factory: Factory A", "- ▲site: Factory A", "did you mean 'factory'"),
    slip("    line: Line 00", "    ▲name: Line 00", "did you mean 'line'"),
    slip("other: {category", "▲else: {category", "did you mean 'other'"),
    slip("rollover: 65536, max_rate", "▲modulo: 65536, max_rate", "did you mean 'rollover'"),
    slip("source: plc, node: " + NODE, "source: plc, ▲tag: " + NODE, "did you mean 'node'"),
    slip(f"topic: {TOPIC}", f"▲channel: {TOPIC}", "did you mean 'topic'"),
    slip("field: number", "▲path: number", "did you mean 'field'"),
    slip("when: " + '"speed > 5.0"', "▲if: " + '"speed > 5.0"', "did you mean 'when'"),
    slip("settle: 500ms", "▲debounce: 500ms", "did you mean 'settle'"),
    slip("      every: 60s", "      ▲period: 60s", "did you mean 'every'"),
    slip("    rules:", "    ▲alarms:", "unknown key 'alarms' (possible here"),
    slip(UPTIME, "1: {category: ▲~}", "nothing is written here"),
    slip(UPTIME, "1: {category: ▲true}", "needs quotes"),
    slip(UPTIME, "1: {category: ▲007}", "needs quotes"),
    slip(UPTIME, "1: {category ▲= Uptime}", "write ':' in the place of '='"),
    slip(ROLLOVER, "rollover: ▲$rollover, max", "a parameter of a template is written ${name}"),
    slip(ROLLOVER, 'rollover: ▲"{rollover}", max', "a parameter of a template is written ${name}"),
    slip(ROLLOVER, "rollover: ▲65 536, max", "write a number"),
    slip(ROLLOVER, "rollover: ▲16 bit, max", "write a number"),
    slip("settle: 500ms", "settle: ▲PT0.5S", "duration with its unit"),
    slip("settle: 500ms", "settle: ▲1h30m", "duration with its unit"),
    slip("settle: 500ms", "settle: ▲00:00:30", "duration with its unit"),
    slip("max_rate: 5/s", "max_rate: ▲5Hz", "rate with its unit"),
    slip("value: 12.5", 'value: ▲"12,5"', "a target is a number"),
    slip("value: 12.5", "value: ▲12.5 m/min", "a target is a number"),
    slip(NODE, '▲"svr=0;ns=2;s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"opc.tcp://10.1.4.20:4840/ns=2;s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, "▲Objects/2:Machines/2:Speed", "did you mean '/Objects/2:Machines/2:Speed'"),
    slip(NODE, "▲DB10.DBW4", "addresses in the PLC", "oden-gateway browse"),
    slip(NODE, '▲"%MW100"', "addresses in the PLC"),
    slip(NODE, '▲"40001"', "addresses in the PLC"),
)
MORE_DOUBTFUL = tuple(
    slip(*case, warning=True)
    for case in (
        (ROLLOVER, "rollover: ▲65535, max", "the largest that it shows", "write 65536"),
        (ROLLOVER, "rollover: ▲0xFFFF, max", "write 65536"),
        (ROLLOVER, "rollover: ▲32767, max", "write 32768, or `signed: 16`"),
        (ROLLOVER, "rollover: ▲9999, max", "write 10000"),
        (f"topic: {TOPIC}", f"topic: ▲/{TOPIC}", "begins with a '/'"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/L00/ events/scrap", "a blank beside a '/'"),
        (f"topic: {TOPIC}", "topic: ▲Plant-A/L00/events/scrap", "is 'plant-a' in other topics"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/L00/event/scrap", "is 'events' in other topics"),
        (f"topic: {TOPIC}", "topic: ▲plnat-a/L00/events/scrap", "is 'plant-a' in other topics"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/$line/events/scrap", "written ${name}"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/<line>/events/scrap", "written ${name}"),
        (f"topic: {TOPIC}", "topic: ▲plant-a/*/events/scrap", "wildcards cannot stand here"),
        (NODE, '▲"nsu=urn:acme:line;s=L00.Speed;"', "the ';' at the end"),
        ("field: number", "field: ▲Number", "is 'number': only their case differs"),
        ("field: number", "field: ▲order->number", "did you mean 'order.number'"),
        ("field: number", "field: ▲order/number", "did you mean 'order.number'"),
        (UPTIME, "▲1-5: {category: Uptime}", "this is one code", "a line for each"),
        (UPTIME, '▲"1, 4": {category: Uptime}', "this is one code"),
        (UPTIME, '▲"01": {category: Uptime}', "write 1 for the number"),
        ("line: Line 00", "line: Line 00 ▲// the north one", "a comment begins with '#'"),
        ("line: Line 00", "line: ▲Line 00,", "the ',' at its end"),
        (
            '- {count: reject, raw_data: {scrap: "{n}", scrap_code: Auto reject}}',
            '- ▲{count: good, raw_data: {yield: "{n}"}}',
            "there already",
            "told twice",
        ),
    )
)
HEADS: tuple[tuple[Slip, ...], ...] = (
    (
        slip("${secret:oden_token}", "${secret:▲ oden_token}", "no blank stands in ${secret:NAME}"),
        slip('"opc.tcp://10.1.4.20:4840"', '▲"opc.tcp://10.1.4.256:4840"', "no IP address"),
    ),
    (
        slip("${secret:oden_token}", "▲oden_token", "write ${secret:NAME}"),
        slip('url: "opc.tcp://10.1.4.20:4840"', '▲endpoint: "opc.tcp://10.1.4.20:4840"', "did you mean 'url'"),
    ),
    (slip("${secret:oden_token}", "▲{secret:oden_token}", "with the '$'"),),
    (
        slip(
            'plc: {type: opcua, url: "opc.tcp://10.1.4.20:4840"}',
            'plc: {type: ▲mqtt, url: "mqtt://10.1.4.20", client_id: edge-02}',
            "all 880 inputs of this source have 'node'",
            "write the other type",
        ),
    ),
)
MORE: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "other spellings": (HEADS[0], SPELLINGS),
    "keys and values": (HEADS[1], KEYS),
    "more that is doubtful": (HEADS[2], MORE_DOUBTFUL),
    "another type of source": (HEADS[3], ()),
}
