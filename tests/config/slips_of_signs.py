"""Slips of single signs for `test_slips`, of which each is one message: signs of other languages, halves of pairs."""

from tests.config.factory import COUNTER, END, GOOD, NODE, T3, TAGS, UPTIME, WHEN, Slip, slip

LOT = 'metadata: {lot: "{order}"}'

SIGNS = (
    slip(GOOD, "- {count: good, raw_data: {yield▲={n}}}", "write ':' in the place of '='", "quotes around the braces"),
    slip(GOOD, "- {count: good, raw_data: {yield▲:{n}}}", "a blank is missing", "quotes around the braces"),
    slip(GOOD, '- {count: ▲good raw_data: {yield: "{n}"}}', "a ',' is missing before the next key"),
    slip(GOOD, '- {count: good, raw_data: {yield: "{n}"}▲ min: 5}', "a ',' is missing before the next key"),
    slip(GOOD, '- {count: good, raw_data: {yield: ▲"{n', "never closed", "a closing bracket is missing", "'}}'"),
    slip(LOT, 'metadata: {lot: ▲"{order', "never closed", "a closing bracket is missing", "'}'"),
    slip(LOT, 'metadata: {lot: ▲"{order}', "never closed", "a closing bracket is missing", "'}'"),
    slip(NODE + "}", '▲"nsu=urn:acme:line;s=L00.Speed', "never closed", "a closing bracket is missing"),
    slip("field: number", "field: ▲$['number']", "JSONPath", "the name of the field"),
    slip("field: number", "field: ▲$.orders[0].number", "JSONPath", "the name of the field"),
    slip("field: number", "field▲ number", "a ':' is missing after this word"),
    slip(COUNTER, "counter: {rollover: 65536, max_rate: 0,▲5/s}", "a decimal comma"),
    slip(COUNTER, "counter: {rollover: 65536, max_rate▲ 5/s}", "a ':' is missing after this word"),
    slip(COUNTER, "counter: {rollover▲=65536, max_rate: 5/s}", "write ':' in the place of '='"),
    slip(COUNTER, "counter: {rollover▲; 65536, max_rate: 5/s}", "write ':' in the place of ';'"),
    slip(f"end: {END}", 'end: {when: "state == 0", for▲ 30m}', "a ':' is missing after this word"),
    slip(f"end: {END}", 'end: {when▲ "state == 0", for: 30m}', "a ':' is missing after this word"),
    slip(f"end: {END}", 'end: {when: "state == 0"▲ for: 30m}', "a ',' is missing before the next key"),
    slip(UPTIME, "1: {category▲ Uptime}", "a ':' is missing after this word"),
    slip(UPTIME, "1: {category: Uptime, ▲5}", "unknown key '5'"),
)
TYPED = (
    slip("hold: 5s", "hold: ▲'5s\"", "never closed, but by another sign"),
    slip(WHEN, "▲\"speed > 5.0'", "never closed, but by another sign"),
    slip("scale: 0.5", "scale: ,▲5", "a decimal comma"),
    slip(COUNTER, "counter: {rollover: 65,▲536, max_rate: 5/s}", "thousands without any sign"),
    slip(COUNTER, "counter: {rollover: 65▲\u202f536, max_rate: 5/s}", "narrow no-break space (U+202F)"),
    slip("hold: 5s", "hold: 5▲\u00a0s", "no-break space (U+00A0)"),
    slip(NODE, "▲ns=2,s=L00.Speed", "did you mean 'ns=2;s=L"),
    slip(NODE, "▲nsu=urn:acme:line, i=1001", "did you mean 'nsu=urn:acme:line;i=1001'"),
    slip('{lot: "{order}"}', '{lot: "{order}", node: ▲ns=2, i=5}', "did you mean 'ns=2;i=5'"),
    # Behind a whole node id stands no part of it.
    slip(NODE, "ns=2;s=L00.Speed, ▲b=5", "unknown key 'b'"),
    slip(NODE, '"nsu=urn:acme:line;s=L00.Speed", ▲i=5', "unknown key 'i'"),
    slip(NODE, '▲"ns=2&s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2;string=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2;num=1001"', "did you mean 'ns=2;i=1001'"),
    *(
        slip(WHEN, *case)
        for case in (
            ('"state in ▲[1, 2"', "a ']' is missing"),
            ('"state ▲in 1, 2, 3"', "a list in square brackets"),
            ('"state == 1 || ▲2"', "is true or false", "x == 1 || x == 2"),
            ('"speed > 5.0 && (▲2 || state == 1)"', "is true or false"),
            ('"▲!state == 1"', 'write "!(state == 1)"'),
            ('"speed > ▲\u22125"', "this dash"),
            ('"speed ▲\u2013 2 > 5.0"', "this dash"),
            ('"speed ▲\u00d7 2 > 5.0"', 'write "*"'),
            ('"t1 == ▲`on`"', "straight quotes"),
            ('"speed ▲ungleich 5.0"', 'write "!=" for "ungleich"'),
            ('"speed ▲größer 5.0"', 'write ">" for "größer"'),
            ('"speed > ▲1.000,5"', '"1000.5"'),
            ('"speed > ▲1\'000"', "without any sign between its thousands"),
            ('"speed > ▲+5"', "without a '+'"),
            ('"state == 1 ▲? true"', "condition ? one : another"),
            ('"speed > 5.0 ▲WHEN state == 1"', "this does not fit what stands before it"),
            ('"state == ▲Running"', "a text stands in quotes: 'Running'"),
            ('"▲speed.value > 5.0"', "has no fields"),
            ('"▲scale(speed) > 5.0"', 'there is no function "scale"'),
        )
    ),
)
FACTORY = "  - factory: Factory A\n"
LIST = (
    slip(FACTORY, "  ▲– factory: Factory A\n", "begins with '- '"),
    slip(FACTORY, "  ▲• factory: Factory A\n", "begins with '- '"),
    slip(FACTORY, "  ▲* factory: Factory A\n", "begins with '- '"),
    slip(FACTORY, "  ▲-factory: Factory A\n", "a blank is missing after this '-'"),
    slip("    line: Line 00\n", "  ▲- line: Line 00\n", "begins another line", "remove it"),
    slip("    inputs:\n", "    ▲-- tags\n    inputs:\n", "begin it with '#'"),
    slip("    inputs:\n", "    ▲; tags\n    inputs:\n", "begin it with '#'"),
    slip("    inputs:\n", "    ▲/* tags */\n    inputs:\n", "begin it with '#'"),
    slip("    inputs:\n", "    ▲```\n    inputs:\n", "remove it"),
    slip("    inputs:\n", "    ▲-----\n    inputs:\n", "remove it"),
    slip("    inputs:\n", "▲=======\n    inputs:\n", "remove it"),
    slip("    inputs:\n", "▲<<<<<<< HEAD\n    inputs:\n", "remove it"),
    slip("    inputs:\n", "▲>>>>>>> night shift\n    inputs:\n", "remove it"),
    slip("    inputs:\n", "    ▲*****\n    inputs:\n", "remove it"),
    slip(UPTIME, "1▲\n          category: Uptime", "a ':' is missing after this word"),
    slip("    inputs:\n", '    ▲"inputs:\n', "never closed"),
    slip("      speed: {", "      ▲'speed: {", "never closed"),
    slip("speed: {source: plc, node", "speed: {source: plc▲\n        node", "a ',' is missing at the end of this line"),
    slip("speed: {source: plc, node", "speed: {source: ▲plc. node", "a ',' is missing before the next key"),
    slip("reason: Jam}", "reason: Jam, ▲line 3}", "a text with a ',' in it needs quotes"),
    slip("reason: Jam}", "reason: Jam, ▲end of reel}", "a text with a ',' in it needs quotes"),
    slip("scrap_code: Auto reject}}", "scrap_code: Auto reject}, ▲5}", "unknown key '5'"),
    slip(UPTIME, "1▲ {category: Uptime}", "a ':' is missing after this word"),
    slip("speed: {source: plc,", "speed: {source: ▲“plc”,", "curly quotes"),
)
FROM_PAPER = tuple(
    slip(*case, warning=True)
    for case in (
        (NODE, '▲"nsu=urn:acme:line;s=L00\u2013Speed"', "an en dash (U+2013)", "'-'"),
        (NODE, '▲"nsu=urn:acme:line;s=L00.\ufb01ll"', "ligature fi", "'fi'"),
    )
)
RUN = f"{TAGS}    run:\n      key: "
WHOLE = (
    slip(f"events/scrap, time: at}}\n{RUN}order", f"events/scrap}}\n{RUN}▲scrap", "is a whole message with fields"),
    slip("      key: order", "      key: ▲scrap", "is a whole message with fields, which names nothing", "'field'"),
    slip("{type: Recipe, key: sku", "{type: Recipe, key: ▲scrap", "is a whole message with fields", "'field'"),
    slip(NODE, """▲"ns=3;s="DB1"."Speed\"""", "put single quotes around all of it"),
    slip('lot: "{order}"', 'lot: "{order}"▲"', 'one " too many'),
    slip('lot: "{order}"', 'lot: "T▲{order"', """a "}" is missing behind "{order\""""),
    slip('lot: "{order}"', 'lot: "▲{scrap.code of"', """a "}" is missing behind "{scrap.code\""""),
    slip('lot: "{order}"', 'lot: "▲{order]"', """write "}" in the place of "]" behind "{order\""""),
    slip('lot: "{order}"', 'lot: "▲{order of"', """a "}" is missing behind "{order\"""", """"{{\""""),
    slip('"speed > 5.0"', '"speed ▲&gt; 5.0"', 'write ">"'),
    slip('"speed > 5.0"', '"state == 1 ▲&amp;&amp; speed &lt; 5.0"', "signs of web pages", "also at"),
    slip('"speed > 5.0"', """"'name' in ['a'] && ▲good > 'x'\"""", "compare it with a number, good > 5"),
)
INDENTED = (
    slip("      every: 60s", "    ▲every: 60s", "indented by 4 blanks", "by 6"),
    slip("      input: state\n", "    ▲input: state\n", "indented by 4 blanks", "by 6"),
    slip("    run:\n      key", "    run:\n    ▲key", "indented by 4 blanks", "by 6"),
    slip("      - {type: Recipe", "      ▲-{type: Recipe", "a blank is missing after this '-'"),
    slip("- {count: good, ", "- {factor: ▲12 Stk, count: good, ", "write a number"),
)
CAPTURED = T3.replace("}", ', capture: "^ALARM (.+)$"}')
PARTS = tuple(
    slip(T3, f"{CAPTURED}\n      part: {{expr: {written}}}", "is a text", cure)
    for written, cure in (
        ('"▲t3 > 0"', 't3 != ""'),
        ('"▲t3 != 5"', 't3 != "5"'),
        ('"▲t3 in [5, 6]"', 't3 in ["5", "6"]'),
    )
)
NOT_FILLED_IN = tuple(
    slip(*case, warning=True)
    for case in (
        ("topic: plant-a/L00/events/scrap", "topic: ▲plant-a/$(line)/events/scrap", "written ${name}"),
        ("reason: Jam}", 'reason: ▲"Jam $(line)"}', "it is filled in where it is written ${line}"),
        ("reason: Jam}", 'reason: ▲"alarms[state].text"}', "looked up in a table", '"{alarms[state].text}"'),
        ('lot: "{order}"', 'lot: ▲"lots[scrap.lot].name"', '"{lots[scrap.lot].name}"'),
    )
)
COUNT_AS_STATE = (
    slip("      input: state\n", "      input: ▲good\n", "a running count, and each of its values", warning=True),
    slip("Planned Downtime, reason", "Planed Downtime, reason".replace("P", "▲P", 1), "one letter apart", warning=True),
)
OF_SIGNS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "single signs": ((), SIGNS),
    "as it is typed": ((), TYPED),
    "lists and lines": ((), LIST),
    "from paper": ((), FROM_PAPER),
    "whole messages and missing signs": ((), WHOLE),
    "indented too little": ((), INDENTED),
    "parts of texts": ((), PARTS),
    "not filled in": ((), NOT_FILLED_IN),
    "counts as states": ((), COUNT_AS_STATE),
}
