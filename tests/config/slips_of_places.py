"""Slips of indents, brackets and half a key in a plant's file, for `test_slips`: each was told twice, or at another
line."""

from tests.config.factory import COUNTER, END, GOOD, NODE, T3, Slip, slip

SCRAP = "topic: plant-a/L00/events/scrap, time: at"

OTHER = 'other: {category: Unplanned Downtime, reason: "PLC code {state}"}'
REASON = 'reason: "PLC code {state}"}'
RECIPE = '{type: Recipe, key: sku, name: "{sku}"}'
FAST = '- {type: Fast, start: {when: "speed > 5.0"}, end: {when: "speed < 4.0"}}'
TARGET = '{set: target, product: "{sku}", metric_group: Speed, value: 12.5}'

INDENTS = (
    slip("      hold: 5s", "    ▲hold: 5s", "belongs to 'states'"),
    slip("      hold: 5s", "   ▲hold: 5s", "indented by 3 blanks", "by 6"),
    slip("      hold: 5s", "  ▲hold: 5s", "indented by 2 blanks", "by 6"),
    slip("      hold: 5s", " ▲hold: 5s", "indented by 1 blank;", "by 6"),
    slip("      hold: 5s", "         ▲hold: 5s", "indented by 9 blanks", "by 6"),
    slip(f"      {OTHER}", f"    ▲{OTHER}", "indented by 4 blanks", "by 6"),
    slip(f"      {OTHER}", f"     ▲{OTHER}", "indented by 5 blanks", "by 6"),
    slip(f"      {OTHER}", f"       ▲{OTHER}", "indented by 7 blanks", "by 6"),
    slip("      codes:\n", "    ▲codes:\n", "indented by 4 blanks", "by 6"),
    slip("      settle: 500ms", "    ▲settle: 500ms", "indented by 4 blanks", "by 6"),
    slip("      settle: 500ms", "  ▲settle: 500ms", "indented by 2 blanks", "by 6"),
    slip('      name: "{order}"\n', '    ▲name: "{order}"\n', "indented by 4 blanks", "by 6"),
    slip('      product: "{sku}"\n', '    ▲product: "{sku}"\n', "indented by 4 blanks", "by 6"),
    slip('      end: {when: "state == 0"', '    ▲end: {when: "state == 0"', "belongs to 'run'"),
    slip("      input: state\n", "        ▲input: state\n", "indented by 8 blanks", "by 6"),
    slip("      key: order", "        ▲key: order", "indented by 8 blanks", "by 6"),
    slip("        - {count: reject,", "      ▲- {count: reject,", "indented by 6 blanks", "by 8"),
    slip("    intervals:\n", "   ▲intervals:\n", "indented by 3 blanks", "by 4"),
    slip("  - factory: Factory A", "  ▲factory: Factory A", "'- ' is missing"),
    slip("    states:\n", "  ▲states:\n", "indented by 2 blanks", "by 4"),
    slip("    rules:\n", "     ▲rules:\n", "indented by 5 blanks", "by 4"),
)
BRACKETS = (
    slip(T3, "t3: {words: ▲t1, t2]}", "a '[' is missing"),
    slip(T3, "t3: {words: [t1, t2▲", "a closing bracket is missing", "']}'"),
    slip(T3, "t3: {words: [t1▲; t2]}", "write ',' in the place of ';'"),
    slip(NODE + "}", f"{NODE}▲", "a closing bracket is missing", "'}'"),
    slip(RECIPE, '{type: Recipe▲; key: sku; name: "{sku}"}', "write ',' in the place of ';', here and behind it"),
    slip(TARGET, '{set: target▲; product: "{sku}"; metric_group: Speed; value: 12.5}', "write ','", "behind it"),
    slip(TARGET, '{set: target, product: "{sku}"▲; metric_group: Speed, value: 12.5}', "write ','"),
    slip(COUNTER, "counter: {rollover: 65536▲; max_rate: 5/s}", "write ',' in the place of ';'"),
    slip(f"end: {END}", 'end: {when: "state == 0"▲; for: 30m}', "write ',' in the place of ';'"),
    slip("{category: Planned Downtime, reason", "{category: Planned Downtime▲; reason", "write ','"),
    slip("field: number, time: at", "field: number▲; time: at", "write ','"),
    slip(REASON, 'reason: "PLC code {state}▲}"}', 'a lone "}"'),
    slip(REASON, "reason: PLC code ▲{state}}}", "needs quotes"),
    slip(REASON, "reason: PLC code ▲{state}}", "needs quotes"),
    slip(GOOD, "- {count: good, raw_data: {yield▲={n}}}", "write ':' in the place of '='"),
    slip("field: number", "field: ▲$['number']", "JSONPath"),
    slip("field: sku}", "field: ▲$.sku['a']}", "JSONPath"),
)
INSIDE = (
    slip(COUNTER, COUNTER.replace("{", "▲"), "a '{' is missing before this"),
    slip("counter: {rollover: 65536, scale", "counter: ▲rollover: 65536, scale", "a '{' is missing before this"),
    slip(f"- {RECIPE}", f"- ▲{RECIPE[1:]}", "a '{' is missing before this"),
    slip(f"- {TARGET}", f"- ▲{TARGET[1:]}", "a '{' is missing before this"),
    slip(FAST, FAST.replace("- {", "- ▲"), "a '{' is missing before this"),
    slip(FAST, FAST.replace("start: {", "start: ▲"), "a '{' is missing before this"),
    slip(FAST, FAST.replace("end: {", "end: ▲"), "a '{' is missing before this"),
    slip(FAST, FAST.replace("}, end", "▲, end"), "a '}' is missing before this"),
    slip(GOOD, GOOD.replace("- {", "- ▲"), "a '{' is missing before this"),
    slip("- {count: scrap.qty", "- ▲count: scrap.qty", "a '{' is missing before this"),
)
KEYS = (
    slip(COUNTER, "▲rollover: 65536, max_rate: 5/s", "'rollover' and 'max_rate' stand under 'counter'"),
    slip(SCRAP, SCRAP.replace("topic", "▲node"), "write 'topic'"),
    slip("{rollover: 65536, scale: 0.5}", "{rollover: 65536}, ▲scale: 0.5", "it stands under 'counter'"),
    slip("factory: Factory A", "factory: ▲!secret factory", "a secret is written ${secret:NAME}"),
    slip('lot: "{order}"', "lot: ▲!env LOT", "a secret is written ${secret:NAME}"),
    slip("reason: Jam}", "reason: ▲!include jam.yaml}", "under `include`"),
    slip("line: Line 00", "line: ▲!!str 00", "tags"),
)
IN_HEAD = (slip("  plc: {type", "  ▲- plc: {type", "this '- ' is one too many"),)
IN_HEAD_2 = (slip("${secret:oden_token}", "▲!secret oden_token", "a secret is written ${secret:NAME}"),)

OF_PLACES: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "indents of sections": (IN_HEAD, INDENTS),
    "brackets and signs between": (IN_HEAD_2, BRACKETS),
    "keys one level out, tags": ((), KEYS),
    "brackets inside a line": ((), INSIDE),
}
