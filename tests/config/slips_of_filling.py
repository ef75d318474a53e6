"""Texts that are filled in and are not as they are written, zones and addresses, in the file of a plant, for
`test_slips`."""

from tests.config.factory import END, TOPIC, UPTIME, Slip, slip

RECIPE = '{type: Recipe, key: sku, name: "{sku}"}'
RULE = '- {set: target, product: "{sku}", metric_group: Speed, value: 12.5}'
TEST = "{set: quality_test, event: scrap, quality_schema: 1"
BRACES = "double braces"
SCRAP_TIME = f"{TOPIC}, time: at"
PLC = '"opc.tcp://10.1.4.20:4840"'
BROKER = '"mqtt://broker.plant-a.local"'

EACH = tuple(
    slip(*case)
    for case in (
        (f"end: {END}", 'end: {event: scrap, key: ▲"{{scrap.order}}"}', BRACES, 'write "{scrap.order}"'),
        (f"      end: {END}", '      end: {event: scrap, key: ▲"{{lot}}"}', BRACES),
        ("    states:\n", '    batches: {key: sku, end: {event: scrap, key: ▲"{{scrap.lot}}"}}\n    states:\n', BRACES),
        (RECIPE, RECIPE.replace('}"}', '}", end: {event: scrap, key: ▲"{{ scrap.sku }}"}}'), BRACES),
        (RECIPE, RECIPE.replace('"{sku}"', '▲"{{sku}}"'), BRACES),
        (RULE, RULE.replace('"{sku}"', '▲"{{sku}}"'), BRACES),
        (RULE, RULE.replace("12.5", '▲"{{speed}}"'), BRACES),
        (RULE, f'- {TEST}, named: ▲"{{{{scrap.run}}}}", raw_data: {{a: 1}}}}', BRACES),
        (RULE, f'- {TEST}, raw_data: {{a: ▲"{{{{scrap.a}}}}"}}}}', BRACES),
        (RULE, '- {set: product_attribute, product: P, name: a, value: ▲"{{sku}}"}', BRACES),
        (RULE, '- {set: product_attribute, product: P, name: a, display_name: ▲"{{sku}}", value: b}', BRACES),
        (UPTIME, '1: {category: Uptime, comment: ▲"{{order}}"}', BRACES),
    )
)
NEAR = (
    slip("reason: Jam}", 'reason: ▲"Jam {{ordr}} & more"}', BRACES, 'write "{order}"', warning=True),
    slip('lot: "{order}"', 'lot: ▲"{{x}}"', BRACES, "with the name of an input", warning=True),
)
ZONES = tuple(
    slip(SCRAP_TIME, f"{TOPIC}, time: {{field: at, zone: ▲{zone}}}", *words)
    for zone, *words in (
        ("CEST", "not known; write a place, such as Europe/Berlin"),
        ("PST", "not known; write a place, such as Europe/Berlin"),
        ("MESZ", "not known; write a place, such as Europe/Berlin"),
        ("EDT", "not known; write a place, such as Europe/Berlin"),
        ("UTC+1", "not known; write a place, such as Europe/Berlin"),
        ("GMT+1", "not known; write a place, such as Europe/Berlin"),
        ("WEST", "not known; write a place, such as Europe/Berlin"),
        ("new york", "did you mean 'America/New_York'"),
        ("utc", "did you mean 'UTC'"),
        ("Berlin", "did you mean 'Europe/Berlin'"),
        ("Europe/Berlni", "did you mean 'Europe/Berlin'"),
    )
)
USERS = (
    slip(PLC, '▲"opc.tcp://edge:hidden@10.1.4.20:4840"', "no user or password", "`username` and `password`"),
    slip(BROKER, '▲"mqtts://edge:hidden@broker.plant-a.local"', "no user or password", "`username` and `password`"),
)
TOKENS = (slip("${secret:oden_token}", "▲{TOKEN: }", "write ${secret:NAME}, or the secret alone"),)
TOO_LONG = (
    slip("${secret:oden_token}", "▲${secret:tok-3f9a77c1e5d20b}", "no secret has this name", "the name of a file"),
)

OF_FILLING: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "texts that are filled in": (USERS, EACH),
    "words in double braces": (TOKENS, NEAR),
    "zones": (TOO_LONG, ZONES),
}
