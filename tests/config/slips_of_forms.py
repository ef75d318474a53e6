"""Slips of the form of a value in a plant's file, for `test_slips`: a list for keys, a key with nothing behind it."""

from tests.config.factory import COUNTER, T3, Slip, slip

SCRAP = "topic: plant-a/L00/events/scrap, time: at}"
RUN = """    run:
      key: order
      product: "{sku}"
      name: "{order}"
"""
LISTED = """    run:
      ▲- key: order
      - product: "{sku}"
      - name: "{order}"
"""
REST = """      settle: 500ms
      metadata: {lot: "{order}"}
      end: {when: "state == 0", for: 30m}
"""

FORMS = (
    slip(RUN + REST, LISTED + REST.replace("      ", "      - "), "no list of them: write them without '- '"),
    slip("{rollover: 65536, scale: 0.5}", "▲[rollover: 65536, scale: 0.5]", "in {} and not in []"),
    slip(COUNTER, "counter: ▲[{rollover: 65536}, {max_rate: 5/s}]", "no list of them"),
    slip('metadata: {lot: "{order}"}', 'metadata: ▲[lot: "{order}"]', "no list of them"),
    slip("      - {set: target", "      ▲{set: target", "'- ' is missing"),
    slip(SCRAP, "▲topic: , time: at}", "'topic' is missing"),
    slip(SCRAP, "time: at, ▲topic:}", "'topic' is missing"),
    slip(T3, "t3: {source: plc, ▲node:}", "'node' is missing"),
    slip("    rules:\n", "▲---\n    rules:\n", "a second document begins", "remove this line"),
)
NO_SECRETS = (
    slip('{lot: "{order}"}', "{passed: ▲{{order}}}", 'write "{order}"'),
    slip('{lot: "{order}"}', "{author: ▲@order}", "no value begins with this character"),
    slip("good: {source: plc,", "good: {source: plc, ▲source: plc,", "duplicate key 'source'"),
)
HEAD_WITHOUT_SECRETS = (slip("  timeout: 30s", "  timeout: 30s\n  ▲timeout: 40s", "duplicate key 'timeout'"),)
HEAD_OF_SECRETS = (
    slip("${secret:oden_token}", "▲{{secret:oden_token}}", "a secret is written ${secret:NAME}"),
    slip("  plc: {type", "  ▲press-plc: {type", "a name of letters, digits and '_'"),
)
HEAD_OF_SECRETS_2 = (
    slip("${secret:oden_token}", "▲%ODEN_TOKEN%", "a secret is written ${secret:NAME}"),
    slip("client_id: edge-01", "client_id: edge-01, password: ▲@secret", "a secret is written ${secret:NAME}"),
)
NAMES = (
    slip("      t3: {", "      ▲t-3: {", "a name of letters, digits and '_'"),
    slip('"speed > 5.0"', '"speed▲->value > 5.0"', "a point before the name of a field"),
    slip('"speed > 5.0"', '"scrap▲->qty > 5.0"', "a point before the name of a field"),
)
OF_FORMS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "forms of values": (HEAD_OF_SECRETS_2, FORMS),
    "forms of names": (HEAD_OF_SECRETS, NAMES),
    "forms of what is no secret": (HEAD_WITHOUT_SECRETS, NO_SECRETS),
}
