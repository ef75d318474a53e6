"""P10: what people write by mistake, in the file of a whole plant: each is told at its place, with its cure, at once.

The mistakes of some groups stand in one file, each in a line of the plant of its own. So each also shows that it hides
no other, and that nothing is said that only follows from it.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.factory import COUNTER, END, LINES, NODE, T3, WHEN, Slip, said_of, slip
from tests.config.factory import HEAD as HEAD_OF_PLANT
from tests.config.more_slips import MORE
from tests.config.slips_of_filling import OF_FILLING
from tests.config.slips_of_forms import OF_FORMS
from tests.config.slips_of_likeness import OF_LIKENESS
from tests.config.slips_of_meaning import OF_MEANING
from tests.config.slips_of_places import OF_PLACES
from tests.config.slips_of_plants import OF_PLANTS
from tests.config.slips_of_purpose import OF_PURPOSE
from tests.config.slips_of_sense import OF_SENSE
from tests.config.slips_of_signs import OF_SIGNS
from tests.config.slips_of_silence import OF_SILENCE
from tests.config.yet_more_slips import YET_MORE

STATE = 'state: {source: plc, node: "nsu=urn:acme:line;s=L00.State"}'
SPEED = 'speed: {source: plc, node: "nsu=urn:acme:line;s=L00.Speed"}'
ORDER = "topic: plant-a/L00/events/order, field: number"
STARTED = '{when: "speed > 5.0"}'

SYNTAX = (
    slip('product: "{sku}"\n', 'product: ▲"{sku}\n', "the quote that is opened here is never closed"),
    slip(STATE, 'state: {source: plc, node: ▲"nsu=urn:acme:line;s=L00.State}', "never closed"),
    slip(NODE, "nsu=urn:acme:line;s=L00.Speed ▲#1", "' #' begins a comment", "quotes"),
    slip("field: sku}", "field: sku▲", "closing bracket is missing"),
    slip(END, '{when: ▲"state == 0, for: 30m}', "never closed"),
    slip("hold: 5s", "hold:▲5s".replace("hold:▲", "hold▲:"), "a blank is missing after this ':'"),
    slip("    run:\n", "    run▲\n", "a ':' is missing after this word"),
    slip("every: 60s", "every▲ 60s", "a ':' is missing"),
    slip("      settle: 500ms", "     ▲settle: 500ms", "indented by 5 blanks", "by 6"),
    slip("      settle: 500ms", "       ▲settle: 500ms", "indented by 7 blanks", "by 6"),
    slip("      input: state", "▲\tinput: state", "a tab", "spaces"),
    slip("      hold: 5s", "\u00a0     hold: 5s".replace("\u00a0", "▲\u00a0"), "no-break space (U+00A0)", "blank"),
    slip("reason: Jam}", "reason: ▲Jam: feeder}", "': '", "needs quotes"),
    slip("        - {count: good,", "        ▲{count: good,", "'- ' is missing"),
    slip("time: at}\n      sku", "time: at}▲}\n      sku", "one '}' too many"),
)
SYNTAX_2 = (
    slip("line: Line 00", "line: ▲@Line 00", "no value begins with this character", "quotes"),
    slip("line: Line 00", 'line: "Line \\▲q00"', "backslash", "single quotes"),
    slip("line: Line 00", "line: Line 00▲: north", "no ':' can stand here", "quotes"),
    slip("every: 60s", "every: ▲\x0760s", "invisible control character"),
    slip("source: plc, node: " + NODE, "source: ▲plc node: " + NODE, "a ',' is missing"),
    slip('name: "{order}"', "name: ▲{order}x", "put all of the text in quotes"),
    slip('lot: "{order}"', "lot: ▲*order", "nothing above is called so", "needs quotes"),
    slip("lot: ", "lot▲\u00a0: ", "no-break space"),
    slip("factory: Factory A", "factory: ▲!plant Factory A", "tags", "quotes"),
    slip("hold: 5s", "hold: 5s\n      ▲hold: 6s", "duplicate key 'hold'"),
)
SCHEMA = (
    slip("max_rate: 5/s", "▲max-rate: 5/s", "unknown key 'max-rate'", "did you mean 'max_rate'"),
    slip("rollover: 65536, max", "▲Rollover: 65536, max", "did you mean 'rollover'"),
    slip("    states:", "    ▲state:", "unknown key 'state'", "did you mean 'states'"),
    slip("    scrap_yield:", "    ▲scrap-yield:", "did you mean 'scrap_yield'"),
    slip("      product: ", "      ▲prodcut: ", "did you mean 'product'"),
    slip("scale: 0.5", "scale: 12, ▲5", "decimal comma", "0.5"),
    slip("scale: 0.5", 'scale: ▲"0,5"', "with a point", "0.5"),
    slip("scale: 0.5", "scale: ▲5 m", "without quotes or a unit"),
    slip("rollover: 65536, max", 'rollover: ▲"65.536,0", max', "with a point", "1000"),
    slip("settle: 500ms", "settle: ▲0,5s", "with a point", '"500ms"'),
    slip("settle: 500ms", "settle: ▲500", "duration with its unit"),
    slip("settle: 500ms", "settle: ▲500 msec", "duration with its unit"),
    slip("max_rate: 5/s", "max_rate: ▲5 1/s", "rate with its unit"),
    slip("max_rate: 5/s", "max_rate: ▲'0,5/s'", "with a point", "rate"),
    slip("line: Line 00", "line: ▲7", "needs quotes"),
    slip("1: {category: Uptime}", "1: ▲Uptime", "keys and values"),
    slip("1: {category: Uptime}", "1: {▲categroy: Uptime}", "did you mean 'category'"),
    slip('name: "{order}"', "name: ▲{order}", "quotes around the braces"),
    slip("every: 60s", "every: ▲-60s", "duration with its unit"),
    slip("      key: order", "      key: ▲[order]", "write text"),
    slip("set: target", "set: ▲targets", "did you mean 'target'"),
    slip("metric_group: Speed, ", "▲metricgroup: Speed, ", "did you mean 'metric_group'"),
    slip("{type: Recipe, ", "▲{", "'type' is missing"),
    slip("counter: {rollover: 65536, max", "counter: {rollover▲:65536, max", "a blank is missing"),
    slip('t3: {source: plc, node: "nsu=urn:acme:line;s=L00.T3"}', "▲t3: {}", "'source' is missing"),
    slip("- {count: good, ", "- ▲{", "'count' is missing"),
    slip("      input: state\n", "      input: state\n      preset: ▲PackML\n", "did you mean 'packml'"),
    slip("t3: {source: plc,", "t3: {▲soruce: plc,", "did you mean 'source'"),
    slip("t3: {source: plc,", "t3: {source: ▲PLC,", "unknown source 'PLC'", "did you mean 'plc'"),
    slip("t3: {source: plc,", "t3: {source: ▲flor,", "did you mean 'floor'"),
    slip("t3: {source: plc, node", "t3: {source: plc, ▲Node", "did you mean 'node'"),
    slip("      t3: ", "      ▲t 3: ", "letters, digits and '_'"),
    slip("value: 12.5", "value: ▲[12.5]", "single value"),
    slip("for: 30m", "for: ▲30", "duration with its unit"),
)
REFERENCES = (
    slip("      key: order", "      key: ▲Order", '"Order" is not an input', 'did you mean "order"'),
    slip('product: "{sku}"\n', 'product: "{▲skus}"\n', 'did you mean "sku"'),
    slip("- {count: good", "- {count: ▲goods", 'did you mean "good"'),
    slip("- {count: good", "- {count: ▲speed", "without `counter`"),
    slip('"speed > 5.0"', '"▲sped > 5.0"', 'did you mean "speed"'),
    slip('"speed > 5.0"', '"speed > ▲5,0"', 'write the number with a point: "5.0"'),
    slip('"speed > 5.0"', '"speed > 5.0 ▲AND state == 1"', 'write "&&"'),
    slip('"speed > 5.0"', '"speed > 5.0 ▲or state == 1"', 'write "||"'),
    slip('"speed > 5.0"', '"▲NOT speed > 5.0"', 'write "!"'),
    slip('"speed > 5.0"', '"speed ▲=> 5.0"', 'write ">="'),
    slip('"speed > 5.0"', '"speed ▲<> 5.0"', 'write "!="'),
    slip('"speed > 5.0"', '"speed ▲= 5.0"', 'write "=="'),
    slip('"speed > 5.0"', '"speed ▲=== 5.0"', 'write "=="'),
    slip('"speed > 5.0"', '"(speed > 5.0▲"', "a ')' is missing"),
    slip('"speed > 5.0"', '"speed > 5.0▲)"', "one ')' too many"),
    slip('"speed > 5.0"', '"speed >▲"', "something is missing at the end"),
    slip('"speed > 5.0"', '"▲{speed} > 5.0"', "without braces"),
    slip('"speed > 5.0"', '"speed > ▲5 m"', "without its unit"),
    slip('"speed > 5.0"', '"speed ▲≥ 5"', 'write "<=", ">="'),
    slip('"speed > 5.0"', '"state == ▲TRUE"', 'write "true"'),
    slip('"speed > 5.0"', "'state == ▲\"on'", "a quote is never closed"),
    slip('"speed > 5.0"', "'state == ▲“on”'", "curly quotes"),
    slip('"speed > 5.0"', '"▲if speed > 5 then true"', 'write "condition ? one : another"'),
    slip('"speed > 5.0"', "\"▲good == '5'\"", "is a number", "without quotes"),
    slip(NODE, '▲"NS=2;S=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2,s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2;L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"2;s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2; s=L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns:2;s:L00.Speed"', "did you mean 'ns=2;s=L"),
    slip(NODE, '▲"ns=2;i=L00.Speed"', "did you mean 's=L"),
    slip(NODE, '▲"NSU=urn:acme:line;s=L00.Speed"', "did you mean 'nsu=urn:acme:line;s=L"),
    slip("plant-a/L00/events/scrap", "▲plant-a/+/events/scrap", "wildcards"),
    slip("plant-a/L00/events/scrap", "▲$share/group/plant-a/L00/events/scrap", "shared subscription", "'plant-a/L"),
    slip("plant-a/L00/events/scrap", '▲"mqtt://broker/plant-a/L00/scrap"', "no address", "'plant-a/L"),
)
CERTAIN = (
    slip('product: "{sku}"\n', "product: ▲sku\n", "is the name of an input", 'write "{sku}"'),
    slip('product: "{sku}", metric', "product: ▲sku, metric", "is the name of an input", 'write "{sku}"'),
    slip('product: "{sku}"\n', 'product: ▲"{{ sku }}"\n', "double braces", 'write "{sku}"'),
    slip('lot: "{order}"', 'lot: ▲"{{order}}"', "double braces", 'write "{order}"'),
    slip('lot: "{order}"', 'lot: "{▲ order }"', "is not a placeholder"),
    slip('lot: "{order}"', 'lot: "▲{order"', "a lone"),
    slip('product: "{sku}"\n', "product: ▲“sku”\n", "curly quotes"),
    slip("reason: Jam}", "reason: ▲„Jam“}", "curly quotes"),
    slip("plant-a/L00/events/scrap", "▲“plant-a/L00/events/scrap”", "curly quotes"),
    slip("field: number", "field: ▲$.number", "JSONPath", "'number'"),
    slip("field: number", "field: ▲$", "JSONPath", "leave it out"),
    slip("field: number", "field: number.▲.value", "single dots"),
    slip("factory: Factory A", "factory: Factory▲\u200b A", "zero width space (U+200B)", "delete"),
    slip("factory: Factory A", 'factory: "▲\ufeffFactory A"', "byte order mark (U+FEFF)"),
    slip("factory: Factory A", "factory: Fac▲\u00adtory A", "soft hyphen"),
    slip("reason: Jam}", "reason▲\u200b: Jam}", "zero width space"),
    slip('"speed > 5.0"', '"speed▲\u00a0> 5.0"', "no-break space (U+00A0)"),
    slip('lot: "{order}"', 'lot: ▲"${order}"', "no value for ${order}", 'written "{order}"'),
)
DOUBTFUL = tuple(
    slip(*case, warning=True)
    for case in (
        ('name: "{order}"', "name: ▲order", "is the name of an input", 'write "{order}"'),
        ('lot: "{order}"', "lot: ▲order", "is the name of an input"),
        ("reason: Jam}", "reason: ▲scrap.code}", "is the name of an input", 'write "{scrap.code}"'),
        ('lot: "{order}"', 'lot: ▲"{{lot}}"', "double braces"),
        ('lot: "{order}"', "lot: ▲$order", 'in braces, "{order}"'),
        ('lot: "{order}"', 'lot: ▲"%order%"', 'in braces, "{order}"'),
        ("plant-a/L00/events/scrap", '▲"plant-a/L00/events/scrap "', "blank at the end"),
        ("plant-a/L00/events/scrap", "▲$SYS/broker/uptime", "the broker's own"),
        ("plant-a/L00/events/scrap", "▲plant-a/L00//events/scrap", "two '/' in a row"),
        ("plant-a/L00/events/scrap", "▲plant-a/L00/events/scrap/", "'/'", "at the end"),
        ("plant-a/L00/events/scrap", '▲"plant-a/{line}/events/scrap"', "${name}"),
        ("plant-a/L00/events/scrap", "▲plant-a\\L00\\events\\scrap", "set apart by '/'"),
        (NODE, '▲"nsu=urn:acme:line;s=L00.Speed "', "blank at the end"),
        (NODE, '▲"s=L00.Speed"', "namespace 0"),
        (NODE, '▲"nsu=2;s=L00.Speed"', "did you mean 'ns=2;s=L"),
        (NODE, '▲"s=L00.Speed;ns=2"', "did you mean 'ns=2;s=L"),
        (NODE, '▲"nsu=urn:acme:line;s=L00.STATE"', "only their case differs"),
        ("field: number", "field: ▲/order/number", "did you mean 'order.number'"),
        ("field: number", 'field: ▲"orders[*].number"', "element of an array", "sum(rejects)"),
        ('"speed > 5.0"', "\"▲speed > '5.0'\"", "letter by letter", "speed > 5.0"),
        ('"speed > 5.0"', "\"▲speed == '5'\"", "never holds for a number", "speed == 5"),
        ('"speed > 5.0"', "\"▲t1 == 'true'\"", "t1 == true"),
        ('"state == 0"', "\"▲state == 'off' || state == 0\"", "only one of them can ever hold"),
        ("{category: Uptime}", "{category: ▲Up time}", "'Uptime'", "Write both alike"),
        ("category: Planned Downtime", "category: ▲planned downtime", "'Planned Downtime'", "alike"),
        ("category: Planned Downtime", "category: ▲Planned Downtme", "one letter apart from 'Planned Downtime'"),
        ("reason: Jam}", "reason: ▲jam}", "'Jam'", "alike"),
        ("factory: Factory A", "factory: ▲Factory-A", "'Factory A'", "alike"),
        ("metric_group: Speed", "metric_group: ▲speed", "'speed' is the name of an input"),
        ("factory: Factory A", 'factory: ▲"Factory A "', "blank at the end"),
        ("reason: Jam}", 'reason: ▲" Jam 2"}', "blank at the beginning"),
        ("reason: Jam}", 'reason: ▲Belt jam"}', "quote at its end alone"),
        ("line: Line 00", "line: Line 00 ▲#north", "comment", "quotes"),
        ("reason: Jam}", "reason: Feeder▲\u00a0jam}", "no-break space"),
        ("reason: Jam}", "reason: 25▲\u202fkg}", "no-break space"),
        (
            '      reject: {source: plc, node: "nsu=urn:acme:line;s=L00.Reject"',
            '      ▲reject: {source: plc, node: "nsu=urn:acme:line;s=L00.Good"',
            "counts what 'good'",
            "twice",
        ),
    )
)
COMPARED = (
    slip(WHEN, "\"▲good in ['5', '6']\"", "never like a text", "good in [5, 6]"),
    slip(WHEN, "\"▲'5' == good\"", "never like a text", "good == 5"),
    slip(WHEN, "\"▲good in ['run']\"", "compare it with a number"),
    slip(WHEN, '"▲good == true"', "never true or false"),
    slip(WHEN, '"▲speed in 5"', "comes a list", "speed in [5]"),
    slip(WHEN, '"speed in [5▲ 6]"', "a ',' is missing"),
    slip(WHEN, '"speed ▲in (5, 6)"', "square brackets"),
    slip(WHEN, '"speed ▲in {5, 6}"', "square brackets"),
)
COMPARED_DOUBTFUL = tuple(
    slip(WHEN, *case, warning=True)
    for case in (
        ("\"▲speed in ['5', '6']\"", "never holds for a number", "speed in [5, 6]"),
        ("\"▲speed in ['5', 6]\"", "never holds for a number", "speed in [5, 6]"),
        ("\"!(▲speed in ['5'])\"", "speed in [5]"),
        ("\"▲'5' == speed\"", "speed == 5"),
        ("\"▲'5' < speed\"", "letter by letter", "speed > 5"),
        ("\"▲scrap.qty in ['1']\"", "scrap.qty in [1]"),
        ("\"▲t1 in ['true', 'false']\"", "t1 in [true, false]"),
        ("\"▲'true' == t1\"", "t1 == true"),
        ("\"state in [1, 2] && ▲state == 'run'\"", "only one of them can ever hold"),
        ("\"▲speed.contains('5')\"", "looked at as text", "only one of them can ever hold"),
    )
)
SLIPS_OF_WORDS = tuple(
    slip(*case, warning=True)
    for case in (
        ("{category: Uptime}", "{category: ▲Uptme}", "one letter apart from 'Uptime'"),
        ("{category: Uptime}", "{category: ▲Upitme}", "one letter apart from 'Uptime'"),
        ("reason: Changeover", "reason: ▲Changover", "one letter apart from 'Changeover'"),
        ("reason: Changeover", "reason: ▲Change over", "'Changeover' elsewhere"),
        ("factory: Factory A", "factory: ▲Factroy A", "one letter apart from 'Factory A'"),
        ("type: Recipe", "type: ▲Recepe", "one letter apart from 'Recipe'"),
        ("metric_group: Speed", "metric_group: ▲Spede", "one letter apart from 'Speed'"),
        ('name: "{order}"', "name: ▲Order", "nearly the name of an input", 'write "{order}"'),
        ('product: "{sku}"\n', "product: ▲SKU\n", "nearly the name of an input", 'write "{sku}"'),
        ('product: "{sku}"\n', "product: ▲ordr\n", "nearly the name of an input", 'write "{order}"'),
        ('product: "{sku}"\n', "product: ▲Scrap.code\n", "nearly the name of an input", 'write "{scrap.code}"'),
    )
)
HEAD = (
    slip("${secret:oden_token}", "▲${secrets:oden_token}", "write ${secret:NAME}"),
    slip("timeout: 30s", "timeout: ▲30,5s", "with a point"),
    slip('"opc.tcp://10.1.4.20:4840"', '▲"10.1.4.20:4840"', "opc.tcp://host:port"),
    slip("client_id: edge-01", "client_id: edge-01, password: ▲$secret:broker", "write ${secret:NAME}"),
    slip("size_limit: 2 GB", "size_limit: ▲2 Gbyte", "size with its unit"),
    slip("min_free: 5%", "min_free: ▲0,05", "percent"),
    slip("listen: 127.0.0.1:8321", "▲listne: 127.0.0.1:8321", "did you mean 'listen'"),
    slip("level: info", "level: ▲INFO", "did you mean 'info'"),
)
HEAD_2 = (
    slip("${secret:oden_token}", "▲Bearer 1234", "the secret alone"),
    slip("timeout: 30s", "timeout: ▲half a minute", "duration with its unit"),
    slip("type: mqtt", "type: ▲MQTT", "did you mean 'mqtt'"),
    slip("outbox:", "▲outbx:", "did you mean 'outbox'"),
    slip("listen: 127.0.0.1:8321", "listen: ▲127.0.0.1", "address:port"),
    slip("log:\n  level: info", "▲logging:\n  level: info", "unknown key 'logging'", "did you mean 'log'"),
)

T3_WITH = 't3: {source: plc, node: "nsu=urn:acme:line;s=L00.T3", '
NEWER = (
    slip(COUNTER, "counter: {signed: ▲8}", "write 16 or 32, without quotes"),
    slip(COUNTER, 'counter: {signed: ▲"16"}', "write 16 or 32, without quotes"),
    slip(COUNTER, "counter: {▲Signed: 16}", "did you mean 'signed'"),
    slip(COUNTER, "counter: {signed: 16, rollover: ▲32768}", "rolls over at 65536: leave out 'rollover'"),
    slip(COUNTER, "counter: {direction: ▲Down}", "did you mean 'down'"),
    slip(COUNTER, "counter: {▲directon: down}", "did you mean 'direction'"),
    slip(COUNTER, "counter: {number: ▲string}", "write 'text'"),
    slip(COUNTER, "counter: {direction: down, backwards: ▲count}", "counts up"),
    slip(COUNTER, "counter: {rollover: ▲2^16, max_rate: 5/s}", "write a number here", "0.1"),
    slip(COUNTER, "counter: ▲true", "keys and values"),
    slip(COUNTER, "counter: {too_fast: ▲drop}", "write 'count' or 'ignore'"),
    slip(COUNTER, 'counter: {restarts_with: ▲"{order}"}', "without braces"),
    slip(COUNTER, "counter: {scale: ▲1/10}", "such as 0.1"),
    slip(T3, "t3: {words: ▲[t1]}", "at least 2 entries"),
    slip(T3, "t3: {words: [t1, ▲t99]}", 'did you mean "t9"'),
    slip(T3, "t3: {words: [t1, t2], word_bits: ▲12}", "write 8, 16 or 32, without quotes"),
    slip(T3, "t3: {words: ▲t1 t2}", "write a list here"),
    slip(T3, 't3: {expr: "t1 + t2", default: ▲0}', "means nothing beside 'expr'"),
    slip(T3, f"{T3_WITH}▲defualt: 0}}", "did you mean 'default'"),
    slip(T3, f"{T3_WITH}default: ▲[0]}}", "a single value"),
    slip(T3, f"{T3_WITH}edge: rising, default: ▲0}}", "leave out 'default'"),
    slip(T3, f'{T3_WITH}capture: ▲"ALARM .+"}}', "in parentheses", "^ALARM (.+)$"),
    slip(T3, f'{T3_WITH}capture: "^ALARM ▲(.+"}}', "is no pattern: a ')' is missing behind this '('"),
    slip(T3, f'{T3_WITH}capture: ▲"/^ALARM (.+)$/"}}', "without the '/' around it"),
    slip(T3, f'{T3_WITH}capture: ▲"^(a+)+$"}}', "repeats single characters only"),
    slip('"speed > 5.0"', '"▲bit(speed) && speed > 5.0"', "bit(alarms, 3)"),
    slip('"speed > 5.0"', '"bit(speed, ▲64)"', "from 0 to 63"),
    slip('"speed > 5.0"', '"▲speed.3"', "bit(word, 3)"),
    slip('"speed > 5.0"', '"speed ▲& 8 > 0"', "bit(word, 3)"),
    slip('"speed > 5.0"', '"speed ▲>> 3 == 1"', "bit(word, 3)"),
    slip('"speed > 5.0"', '"bit(▲sped, 3)"', 'did you mean "speed"'),
    slip('"speed > 5.0"', '"t3 == ▲null"', "can never hold", 'compare with ""'),
    slip('"speed > 5.0"', '"t3 == ▲None"', 'compare with ""'),
    slip('lot: "{order}"', 'lot: "▲{order|none"', "a lone"),
    slip('lot: "{order}"', 'lot: "{order|▲|none}"', 'one "|"'),
    slip('lot: "{order}"', 'lot: "{order▲ | none}"', 'as in "{order|unknown}"'),
    slip('lot: "{order}"', 'lot: "{▲orders[order].sku|none}"', "is not one of the tables"),
    slip("- {count: good, ", "- {max: ▲5, count: good, ", "write 'max_rate' under 'counter'"),
    slip("      input: state\n", "      input: state\n      preset: ▲TMC\n", "did you mean 'tmc'"),
)
NEWER_DOUBTFUL = (slip(COUNTER, "counter: {rollover: ▲65.536, max_rate: 5/s}", "is 65536 meant", warning=True),)
GROUPS: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "syntax": ((), SYNTAX),
    "more syntax": ((), SYNTAX_2),
    "schema": (HEAD, SCHEMA),
    "references": ((), REFERENCES),
    "certain": (HEAD_2, CERTAIN),
    "doubtful": ((), DOUBTFUL),
    "compared": ((), COMPARED),
    "compared, doubtful": ((), COMPARED_DOUBTFUL),
    "slips of words": ((), SLIPS_OF_WORDS),
    "newer keys": ((), NEWER),
    "newer keys, doubtful": ((), NEWER_DOUBTFUL),
    **MORE,
    **YET_MORE,
    **OF_SIGNS,
    **OF_PLANTS,
    **OF_PLACES,
    **OF_FORMS,
    **OF_SENSE,
    **OF_SILENCE,
    **OF_FILLING,
    **OF_MEANING,
    **OF_PURPOSE,
    **OF_LIKENESS,
    "all kinds at once": (
        HEAD,
        (*SYNTAX[:6], *SYNTAX_2[:3], *SCHEMA[:6], *REFERENCES[:8], *CERTAIN[:6], *DOUBTFUL[:9]),
    ),
}
Names = tuple[str, ...]


def plants() -> Iterator[Names]:
    """Names of groups that stand in one plant's file: as many as fit into its lines beside one that is right, and no
    two that change the same of its head or have a slip in common. What is of the head alone may speak of all lines,
    and stands by itself."""
    yield from ((name,) for name in GROUPS if not GROUPS[name][1])
    left = sorted((name for name in GROUPS if GROUPS[name][1]), key=lambda name: -len(GROUPS[name][1]))
    while left:
        names: Names = ()
        for name in left:
            in_head, in_lines = slips_of((*names, name))
            changed = [HEAD_OF_PLANT.index(one.old) + place for one in in_head for place in range(len(one.old))]
            if len({*in_lines}) == len(in_lines) < LINES and len({*changed}) == len(changed):
                names = (*names, name)
        left = [name for name in left if name not in names]
        yield names


def slips_of(names: Names) -> tuple[list[Slip], list[Slip]]:
    """The slips of some groups in the head of a file, and those in its lines."""
    in_head, in_lines = ([one for name in names for one in GROUPS[name][part]] for part in (0, 1))
    return in_head, in_lines


@pytest.mark.parametrize("names", [*plants()], ids=", ".join)
def test_p10_each_slip_is_told_at_its_place_and_once(names: Names, tmp_path: Path) -> None:
    """The words of the cure stand at the file, line and column of the mistake, among the errors or the warnings, and
    nothing more is said there or at any other place: whoever mends what it says is done."""
    slips = slips_of(names)
    answer = said_of(tmp_path / "c", *slips)
    told = {True: answer.warnings, False: answer.problems}
    missed = [
        (str(one), answer.expected[one], here)
        for one in (*slips[0], *slips[1])
        for here in [[text for where, text in told[one.warning] if where == answer.expected[one]]]
        if not any(all(word in text for word in one.words) for text in here)
    ]
    assert missed == []
    places = Counter(where for where, _ in (*answer.problems, *answer.warnings))
    assert places == Counter(answer.expected.values())


def test_more_than_six_hundred() -> None:
    """The tables are as long as they are said to be, and each slip of them stands in a plant."""
    in_plants = [one for names in plants() for part in slips_of(names) for one in part]
    assert {*in_plants} == {one for group in GROUPS.values() for part in group for one in part}
    assert len({*in_plants}) > 600
