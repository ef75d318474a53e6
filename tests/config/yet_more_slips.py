"""Yet more of what people write by mistake, for `test_slips`: what no other language takes amiss, and half a line."""

from tests.config.factory import COUNTER, GOOD, NODE, T3, TOPIC, UPTIME, WHEN, Slip, slip

SCRAP_TIME = f"{TOPIC}, time: at"
PRODUCT = 'product: "{sku}"\n'

WRITTEN = (
    slip(PRODUCT, 'product▲; "{sku}"\n', "write ':' in the place of ';'"),
    slip(PRODUCT, "product: ▲{{sku}}\n", 'double braces: write "{sku}"'),
    slip(PRODUCT, "product: ▲`{sku}`\n", "no value begins with this character"),
    slip(PRODUCT, 'product: ▲""{sku}""\n', "ends before the text does"),
    slip(PRODUCT, "▲product:\n", "nothing is written behind 'product'"),
    slip(PRODUCT, "▲product: null\n", "nothing is written behind 'product'"),
    slip("      key: order", "      ▲key:", "nothing is written behind 'key'"),
    slip("      key: order", '      key: ▲"{order}"', "without braces"),
    slip("      key: order", "      key: ▲order.number", "by 'field'"),
    slip(GOOD, '- {count: ▲"{good}", raw_data: {yield: "{n}"}}', "without braces"),
    slip(GOOD, "- {count: good, raw_data: {yield: ▲n}}", 'one value must be "{n}"'),
    slip(GOOD, '- {count: good, raw_data: {yield: ▲"{N}"}}', 'one value must be "{n}"'),
    slip(GOOD, '- {count: good, raw_data: {yield: ▲"{good}"}}', 'one value must be "{n}"'),
    slip(UPTIME, "▲1.0: {category: Uptime}", "write 1"),
    slip(UPTIME, "▲[1, 2]: {category: Uptime}", "a line for each"),
    slip(T3, "t3: {words: [t1, ▲t1]}", "there already"),
    slip(COUNTER, "counter: {▲maximum_rate: 5/s}", "did you mean 'max_rate'"),
    slip(
        T3,
        't3: {source: plc, node: "nsu=urn:acme:line;s=L00.T3", ▲order: little}',
        "unknown key 'order'; it stands under 'binary'",
    ),
    slip(NODE, '▲"nsu=urn:acme:line;L00.Speed"', "did you mean 'nsu=urn:acme:line;s=L"),
    slip(NODE, '▲"urn:acme:line;s=L00.Speed"', "did you mean 'nsu=urn:acme:line;s=L"),
    slip(NODE, '▲"http://acme.com/line;s=L00.Speed"', "did you mean 'nsu=http://acme.com/line;s=L"),
    slip(f"topic: {TOPIC}", 'topic: ▲""', "from 1 to 65535 bytes"),
    slip(GOOD, '- {count: good, raw_data: {yield▲:"{n}"}}', "a blank is missing after this ':'"),
    slip(GOOD, '- {count: good, raw_data: {yield▲="{n}"}}', "write ':' in the place of '='"),
    slip(GOOD, '- {count: good▲; raw_data: {yield: "{n}"}}', "write ',' in the place of ';'"),
    slip(GOOD, "- {count: good, raw_data: {yield: ▲“{n}”}}", "curly quotes"),
    slip(GOOD, "- {count: good, raw_data: {yield: ▲«{n}»}}", "curly quotes"),
    slip(GOOD, '- {count: good, raw_data: {yield: ▲“{n}"}}', "curly quotes"),
    slip(GOOD, '- {count: good, raw_data: {yield: ▲"{n}}}', "never closed"),
    slip(COUNTER, "counter: {rollover: ▲“65536”, max_rate: 5/s}", "curly quotes"),
    slip(NODE, "▲”nsu=urn:acme:line;s=L00.Speed”", "curly quotes"),
    slip("    run:\n", "    ▲factory: B\n    run:\n", "duplicate key", "write '- ' before it"),
    slip("      key: order", "      key: ▲\u043erder", "cyrillic small letter o (U+043E)"),
    slip('lot: "{order}"', 'lot: "{▲\u043erder}"', "cyrillic small letter o (U+043E)"),
    slip("      t3: ", "      ▲t\u0430g3: ", "cyrillic small letter a (U+0430)"),
    slip("value: 12.5", 'value: ▲"{speed} m/min"', "a target is a number"),
)
TEXT_OR_KEYS = tuple(
    slip(SCRAP_TIME, f"{TOPIC}, {written}", *words)
    for written, *words in (
        ("time: {▲feld: at, zone: Europe/Berlin}", "unknown key 'feld'", "did you mean 'field'"),
        ("▲time: {field: at}", "the key 'zone' is missing"),
        ("time: {field: at, zone: ▲1}", "write text here"),
        ("time: ▲[at]", "write text here"),
        ("time: ▲3", "write text here"),
        ("split: {▲feld: shots}", "did you mean 'field'"),
        ("split: {columns: ▲at}", "write a list here"),
        ("split: ▲[shots]", "write text here"),
    )
)
CONDITIONS = tuple(
    slip(WHEN, *case)
    for case in (
        ('"▲5 < speed < 9"', 'write "5 < speed && speed < 9"'),
        ('"▲1 <= state <= 3 || speed > 5.0"', 'write "1 <= state && state <= 3"'),
        ('"speed >= 5 && ▲<= 9"', "what is compared each time"),
        ('"speed ▲between 4 and 5"', 'for "between"'),
        ('"speed > ▲5."', "ends with a digit"),
        ('"speed > 5.0▲, state == 1"', 'write "&&"'),
        ('"speed > 5.0 ▲# fast"', "no comment"),
        ('"▲$speed > 5.0"', "without a sign before it"),
        ('"speed ▲>< 5.0"', 'write "!="'),
        ('"speed ▲/= 5.0"', 'write "!="'),
        ('"speed ▲!== 5.0"', 'write "!="'),
        ('"speed ▲~= 5.0"', 'write "!="'),
        ('"state == ▲Jam"', "a text stands in quotes: 'Jam'"),
        ('▲""', "nothing is written here"),
        ('"s▲\u0440eed > 5.0"', "cyrillic small letter er (U+0440)"),
        ('"state == 1 ▲und speed > 5.0"', 'write "&&" for "und"'),
        ('"speed > 5.0 ▲oder state == 1"', 'write "||" for "oder"'),
        ('"speed > 5.0 && ▲nicht state == 1"', 'write "!" for "nicht"'),
        ('"state == 1 ▲et speed > 5.0"', 'write "&&" for "et"'),
        ('"state == 1 ▲ou speed > 5.0"', 'write "||" for "ou"'),
        ('"state == 1 ▲y speed > 5.0"', 'write "&&" for "y"'),
        ('"state == 1 ▲o speed > 5.0"', 'write "||" for "o"'),
    )
)
DOUBTFUL_SIGNS = tuple(
    slip(*case, warning=True)
    for case in (
        ("count: scrap.qty", "count: ▲scrap", '"scrap.qty"', "`each: 1`"),
        ("{count: scrap.qty,", "{max: ▲1.000, count: scrap.qty,", "is 1000 meant"),
        ("value: 12.5", "value: 12.5, lsl: ▲14, usl: 11", "exchanged"),
        ("{count: good,", "{min: ▲15.000, count: good,", "is 15000 meant"),
        ("{count: scrap.qty,", "{factor: ▲12.000, count: scrap.qty,", "is 12000 meant"),
        (COUNTER, "counter: {rollover: ▲10.000}", "is 10000 meant"),
        (NODE, '▲"ns=2;s=$line.Speed"', "written ${line}"),
        (NODE, '▲"ns=2;s=%line%.Speed"', "written ${line}"),
        ('lot: "{order}"', 'lot: ▲"[order]"', 'in braces, "{order}"'),
        ('lot: "{order}"', 'lot: ▲"(order)"', 'in braces, "{order}"'),
        (f"topic: {TOPIC}", "topic: ▲plant-a.L00.events.scrap", "set apart by '/'"),
        (NODE, '▲"ns=2;s= L00.Speed"', "the blank after the '='"),
        (NODE, '▲nsu=urn:acme:line;s=L00.Speed"', "a quote at the end alone"),
        (f"topic: {TOPIC}", f'topic: ▲{TOPIC}"', "a quote at the end alone"),
        (SCRAP_TIME, f'{TOPIC}, time: {{field: ▲"at ", zone: Europe/Berlin}}', "a blank at the end"),
        (SCRAP_TIME, f"{TOPIC}, time: {{field: ▲meta/at, zone: Europe/Berlin}}", "'meta.at'"),
        (UPTIME, "▲<5: {category: Uptime}", "`ladder`"),
        ("      other: {category", "        ▲default: {category", "write `other`"),
        (UPTIME, "▲_: {category: Uptime}", "write `other`"),
        (UPTIME, '▲"*": {category: Uptime}', "write `other`"),
    )
)
CODE_SIGNS = (
    slip(UPTIME, "▲*: {category: Uptime}", "needs quotes", "`other`"),
    slip(UPTIME, "▲>5: {category: Uptime}", "needs quotes", "`ladder`"),
)
WIDE = (
    slip("    run:\n", "    run▲：\n", "a fullwidth colon (U+FF1A)", "write :"),
    slip("      hold: 5s", "      hold▲：5s", "a fullwidth colon (U+FF1A)"),
    slip("max_rate: 5/s}", "max_rate: 5/s▲｝", "a fullwidth right curly bracket", "write }"),
    slip("{rollover: 65536, max", "{rollover: 65536▲， max", "a fullwidth comma", "write ,"),
    slip(PRODUCT, "product: ▲＂{sku}＂\n", "write straight ones"),
    slip("speed: {source: plc,", "speed: {source▲： plc,", "in the place of '：'"),
)
YET_MORE: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "written by half": ((), WRITTEN),
    "a text or keys": ((), TEXT_OR_KEYS),
    "conditions of other languages": ((), CONDITIONS),
    "doubtful signs": ((), DOUBTFUL_SIGNS),
    "signs before codes": ((), CODE_SIGNS),
    "signs of another keyboard": ((), WIDE),
}
