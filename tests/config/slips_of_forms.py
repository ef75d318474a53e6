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
OF_FORMS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {"forms of values": ((), FORMS)}
