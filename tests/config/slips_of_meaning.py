"""What fits the schema and cannot be meant, in the file of a plant, for `test_slips`: patterns, lists, words of other
languages, names that are there for others, ways to tags.
"""

from tests.config.factory import LINE, NODE, T3, WHEN, Slip, slip

T3_WITH = 't3: {source: plc, node: "nsu=urn:acme:line;s=L00.T3", '
SCRAP = "topic: plant-a/L00/events/scrap, time: at}"
LOT = '{lot: "{order}"}'
RULE = '- {set: target, product: "{sku}", metric_group: Speed, value: 12.5}'
HOLD = "      hold: 5s"
T4 = 't4: {source: plc, node: "nsu=urn:acme:line;s=L00.T4"}'

CAPTURED = tuple(
    slip(T3, f"{T3_WITH}capture: '{pattern}'}}", *words)
    for pattern, *words in (
        ("^ALARM (▲[A-Z0-9+)$", "a ']' is missing behind this '['"),
        ("^ALARM ([A-Z0-9]+)▲)$", "one ')' too many"),
        ("^ALARM (▲*)$", "nothing stands before this that could be repeated", r"\*"),
        ("^ALARM ([A-Z]++▲+)$", "one sign too many that repeats"),
        ("^ALARM ([A-Z]{▲4,2})$", "the smaller number comes first"),
        ("^ALARM ([▲Z-A]+)$", "this range ends before it begins"),
        ("^ALARM (.+)▲\\", "the backslash at the end"),
        ("^ALARM (▲\\p{L}+)$", "means nothing in a pattern"),
        ("^ALARM (▲?<code>.+)$", "without this '?'"),
        ("^ALARM ([▲[:alnum:]]+)$", "[:alnum:] is of another language"),
    )
)
MATCHED = (
    slip(WHEN, "\"speed > 5.0 && order.matches('a▲[b')\"", "a ']' is missing behind this '['"),
    slip(WHEN, "\"speed > 5.0 && order.matches('▲*')\"", "is no pattern"),
)
PLACES = (
    slip(NODE, '"/Objects/4:Press/Speed▲:"', "this ':' is part of the name", warning=True),
    slip(NODE, '"/Objects/4:Press/4:▲:Speed"', "this ':' is part of the name", warning=True),
    slip(NODE, '"/Objects/4:Press/▲Speed"', "did you mean '4:Speed'?", warning=True),
    slip(NODE, '"/Objects/▲Press/Speed"', "has no namespace", "2:Press", warning=True),
    slip(NODE, '"/Objects/4▲;Press/4:Speed"', "write ':' in the place of ';'", warning=True),
    slip(NODE, '"/▲Object/4:Press/4:Speed"', "did you mean 'Objects'?", warning=True),
    slip(NODE, '"/▲4:Press/4:Speed"', "did you mean '/Objects/4:Press/4:Speed'?", warning=True),
    slip(NODE, '"/▲Root/Objects/4:Press/4:Speed"', "without '/Root'", warning=True),
    slip(NODE, '"/Objects/4:▲ Press/4:Speed"', "a blank", warning=True),
    slip(T4, f"▲{T4.replace('L00.T4', 'L00.T3')}", "the same as 't3'", "remove one", warning=True),
    slip(
        f"      scrap: {{source: floor, {SCRAP}",
        f"      scrap: {{source: floor, {SCRAP}\n      ▲waste: {{source: floor, {SCRAP}",
        "the same as 'scrap'",
        warning=True,
    ),
)
LISTS = tuple(
    slip(*case, warning=True)
    for case in (
        (HOLD, f"{HOLD}\n      operator: {{event: scrap, reason: x, of: [Uptime▲; Planned Downtime]}}", "stands ','"),
        (HOLD, f"{HOLD}\n      operator: {{event: scrap, reason: x, of: [Uptime ▲| Jam]}}", "stands ','"),
        (HOLD, f"{HOLD}\n      operator: {{event: scrap, reason: x, of: [▲Setup]}}", "has the category 'Setup'"),
        (RULE, f"{RULE}\n      - {{set: interval_type, name: Fast, tags: [a▲; b]}}", "stands ','"),
        (SCRAP, SCRAP.replace("}", ", id: ▲[at; qty]}"), "write [at, qty]"),
        (SCRAP, SCRAP.replace("}", ", only: {type: ▲[a; b]}}"), "write [a, b]"),
        (RULE, f"{RULE}\n      - {{set: interval_type, name: ▲Fats}}", "from 'Fast': are these two?"),
        (RULE, f"{RULE}\n      - {{set: interval_type, name: ▲Recipee}}", "one letter apart from 'Recipe'"),
        (LOT, "{lot: ▲yes}", "this is the text 'yes'", "write true"),
        (LOT, "{lot: ▲Off}", "this is the text 'Off'", "write false"),
        ("scrap_code: Auto reject}", "scrap_code: ▲no}", "this is the text 'no'", "write false"),
        (T3, f"{T3_WITH}default: ▲on}}", "this is the text 'on'", "put quotes"),
    )
)
DURING = tuple(
    slip(HOLD, f"{HOLD}\n      short_stops: {{under: 1m, during: [{name}]}}", *words)
    for name, *words in (
        ("▲Up time", "did you mean 'Uptime'?"),
        ("▲uptme", "did you mean 'Uptime'?"),
        ("▲Uptime; Jam", "write ',' in the place of ';'"),
        ("▲Zzz", "there are: Planned Downtime, Unplanned Downtime, Uptime"),
    )
)
ADDRESSES = (slip('url: "opc.tcp://10.1.4.20:4840"', 'url: "opc.tcp://10.1.4.20:4840", redundant: [▲"10.1.4.21"]'),)

DEVICES = "\n".join(
    f"      d{number}: {{source: floor, device: {device}, metric: A{number}}}"
    for number, device in enumerate(("Plant A/Edge 1/Press", "Plant A/Edge 1/Press", "▲Plant A/Edge 1/press"))
)
FAST = '- {type: Fast, start: {when: "speed > 5.0"}, end: {when: "speed < 4.0"}}'
STATES = LINE[LINE.index("      input: state") : LINE.index("      other:")]
LADDER = """      ladder:
        - {when: "speed > 5.0", category: Uptime}
        - {when: ▲"speed >5.0", category: Planned Downtime}
"""
NEVER = tuple(
    slip(*case, warning=True)
    for case in (
        (T3, f"{T3}\n{DEVICES}", "'Press' in other devices"),
        (SCRAP, SCRAP.replace("time: at", "time: {field: at, zone: ▲Etc/GMT+1}"), "1 h behind UTC", "turned round"),
        (FAST, "- {type: Fast, start: {event: scrap}, end: {event: ▲scrap}}", "what begins it ends it"),
        (STATES, LADDER, "a rung above has this condition"),
    )
)

OF_MEANING: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "patterns": ((), (*CAPTURED, *MATCHED)),
    "ways to tags": ((), PLACES),
    "lists, types and truths": (ADDRESSES, LISTS),
    "what never is": ((), NEVER),
    "categories that are interrupted": ((), DURING),
}
