"""Slips of single signs for `test_slips`, of which each is one message: signs of other languages, halves of pairs."""

from tests.config.factory import Slip, slip

GOOD = '- {count: good, raw_data: {yield: "{n}"}}'
COUNTER = "counter: {rollover: 65536, max_rate: 5/s}"
NODE = '"nsu=urn:acme:line;s=L00.Speed"'
CODE = "1: {category: Uptime}"
END = 'end: {when: "state == 0", for: 30m}'
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
    slip(END, 'end: {when: "state == 0", for▲ 30m}', "a ':' is missing after this word"),
    slip(END, 'end: {when▲ "state == 0", for: 30m}', "a ':' is missing after this word"),
    slip(END, 'end: {when: "state == 0"▲ for: 30m}', "a ',' is missing before the next key"),
    slip(CODE, "1: {category▲ Uptime}", "a ':' is missing after this word"),
    slip(CODE, "1: {category: Uptime, ▲5}", "unknown key '5'"),
)
OF_SIGNS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {"single signs": ((), SIGNS)}
