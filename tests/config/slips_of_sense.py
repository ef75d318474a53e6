"""What fits the schema and makes no sense where it stands, in the file of a plant, for `test_slips`: wrong names, types
and units."""

from tests.config.factory import COUNTER, END, GOOD, LINE, T3, UPTIME, WHEN, Slip, slip

STATES = "      input: state\n      codes:\n"
RULE = '- {set: target, product: "{sku}", metric_group: Speed, value: 12.5}'
CHANGEOVER = "2: {category: Planned Downtime, reason: Changeover}"
OUTPUT = LINE[LINE.index("      every: 60s") : LINE.index("    rules:")]
CODE = '"{scrap.code}"'
CODES_OF = "      codes: {1: Gel}\n"
T4 = LINE[LINE.index("      t4: ") : LINE.index("      t5: ")].strip()

UNITS = tuple(
    slip(*case)
    for case in (
        ("hold: 5s", "hold: ▲5 sec", "duration with its unit", "did you mean 5s?"),
        ("hold: 5s", "hold: ▲5S", "did you mean 5s?"),
        ("every: 60s", "every: ▲1 Minute", "did you mean 1min?"),
        ("settle: 500ms", "settle: ▲500 msec", "did you mean 500ms?"),
        ("max_rate: 5/s", "max_rate: ▲300 Stk/min", "rate with its unit", "did you mean 300/min?"),
        (COUNTER, "counter: {rollover: 65536, max_rate: ▲300/Minute}", "did you mean 300/min?"),
        ("counter: {rollover: 65536, scale: 0.5}", "counter: {rollover: ▲5_000_000}", "between its thousands: 5000000"),
        (f"end: {END}", 'end: {when: "state == 0", for: ▲30 Min.}', "did you mean 30min?"),
        (T3, "t3: {words: [t1, t2], counter: {rollover: ▲65536}}", "together roll over at 4294967296"),
        (T3, "t3: {words: [t1, t2], counter: {rollover: ▲8589934592}}", "together roll over at 4294967296"),
        (T3, "t3: {words: [t1, t2], word_bits: 8, counter: {rollover: ▲256}}", "together roll over at 65536"),
    )
)
UNITS_IN_HEAD = (slip("size_limit: 2 GB", "size_limit: ▲2 gb", "size with its unit", "did you mean 2GB?"),)
DOUBTFUL_NUMBERS = tuple(
    slip(*case, warning=True)
    for case in (
        ("every: 60s", "every: ▲60.000s", "this is 60s", "is 60000s meant"),
        ("every: 60s", "every: ▲7s", "begin at other times each day", "write 8s", "`align: run`"),
        ("every: 60s", "every: ▲7m", "begin at other times each day", "write 8m,"),
        ("every: 60s", "every: ▲5h", "begin at other times each day", "write 6h,"),
        ("every: 60s", "every: ▲36h", "begin at other times each day", "write 2d,"),
        ("max_rate: 5/s", "max_rate: ▲3.000/min", "this is 3/min", "is 3000/min meant"),
        (COUNTER, "counter: {rollover: ▲16, max_rate: 5/s}", "has it 16 bits", "65536", "`signed: 16`"),
        (COUNTER, "counter: {rollover: 256, max_rate: ▲200/s}", "begins again every 1.3 s", "300/min"),
        ("counter: {rollover: 65536, scale: 0.5}", "counter: {restarts_with: ▲good}", "a running count", "the order"),
        (GOOD, '- {count: good, factor: ▲0, raw_data: {yield: "{n}"}}', "nothing is ever counted"),
        (RULE, RULE.replace("12.5", "▲12.5, usl: 10"), "the target, 12.5, is above its upper limit, 10"),
        (f"\n      {RULE}", f"\n      {RULE.replace('12.5', '▲5, lsl: 8, usl: 10')}", "below its lower limit, 8"),
        ('metadata: {lot: "{order}"}', 'metadata: {▲"lot ": "{order}"}', "a blank", "part of it"),
        (T3, T3.replace("}", ", heartbeat: ▲100ms}"), "the server tells of it every 0.25 s"),
        (T4, T4.replace("}", ", fresh: ▲250ms}"), "the server tells of it every 0.25 s"),
    )
)
HEAD_OPEN = (
    slip("size_limit: 2 GB", "size_limit: ▲20.000 MB", "this is 20 MB", "is 20000 MB meant", warning=True),
    slip("listen: 127.0.0.1:8321", "listen: ▲0.0.0.0:8321", "whoever reaches this address", "'token'", warning=True),
    slip('"opc.tcp://10.1.4.20:4840"', '▲"opc.tcp://10.1.4.20:1883"', "MQTT", "4840", warning=True),
    slip("  timeout: 30s", "  url: ▲https://api.oden.app\n  timeout: 30s", "https://api.oden.app/v2", warning=True),
)
HEAD_OPEN_2 = (
    slip("listen: 127.0.0.1:8321", 'listen: ▲"[::]:8321"', "whoever reaches this address", warning=True),
    slip('"mqtt://broker.plant-a.local"', '▲"mqtt://broker.plant-a.local:4840"', "OPC UA", "1883", warning=True),
)
NAMES = tuple(
    slip(*case)
    for case in (
        (f"end: {END}", "end: {event: scrap, key: ▲order}", "is the name of an input", 'write "{order}"'),
        (f"      end: {END}", "      end: {event: scrap, key: ▲scrap.order}", 'write "{scrap.order}"'),
        (WHEN, "▲\"scrap == 'begun'\"", "is a whole message with fields", '"scrap.type"'),
        (STATES, f"      input: state\n      mode: ▲state\n      preset: packml\n{STATES[19:]}", "UnitModeCurrent"),
        (
            OUTPUT,
            f"{CODES_OF}{OUTPUT.replace(CODE, '▲' + CODE.replace('scrap.code', 'codes[scrap].name'))}",
            "{codes[scrap.",
        ),
    )
)
CODES = tuple(
    slip(*case, warning=True)
    for case in (
        ("      input: state\n", "      input: ▲order\n", "says which run is on"),
        (UPTIME, '▲"1.0": {category: Uptime}', "write 1 for the number"),
        (UPTIME, '▲"0x1F": {category: Uptime}', "write 31 for the number"),
        (CHANGEOVER, f"▲16#1F{CHANGEOVER[1:]}", "write 31 for the number"),
        (UPTIME, "▲2#0001_0001: {category: Uptime}", "write 17 for the number"),
        (UPTIME, "Execute: {category: Uptime}\n        ▲Suspendet: {category: Uptime}", "nearly 'Suspended'"),
        (STATES, f"      preset: packml\n{STATES}        ▲Stoped: {{category: Uptime}}\n", "nearly 'Stopped'"),
        (STATES, f"      preset: packml\n{STATES}        ▲Un-Holding: {{category: Uptime}}\n", "nearly 'Unholding'"),
        (STATES, f"      preset: tmc\n{STATES}        ▲Abortet: {{category: Uptime}}\n", "TMC", "nearly 'Aborted'"),
        ("      every: 60s", '      every: 60s\n      codes: {1: Gel, ▲"07": Edge}', "write 7 for the number"),
        ("reason: Changeover", 'reason: ▲"{{Rüsten}}"', "write Rüsten without any"),
    )
)

OF_SENSE: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "units as others write them": (UNITS_IN_HEAD, UNITS),
    "numbers that cannot be meant": (HEAD_OPEN, DOUBTFUL_NUMBERS),
    "names that make no sense": (HEAD_OPEN_2, NAMES),
    "codes that nothing shows": ((), CODES),
}
