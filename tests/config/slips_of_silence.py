"""What people wrote by mistake and `check` had nothing to say of, for `test_slips`: whole messages as texts, fields of
the wrong place, words of spreadsheets, names that only look alike."""

from tests.config.factory import T3, UPTIME, WHEN, Slip, slip

CODE = 'scrap_code: "{scrap.code}"'
LOT = 'lot: "{order}"'
NAME = 'name: "{order}"\n'
PRODUCT = 'product: "{sku}"\n'
SCRAP = "topic: plant-a/L00/events/scrap, time: at}"
ORDER = "topic: plant-a/L00/events/order, field: number, time: at}"
JAM = "reason: Jam}"
FACTORY = "factory: Factory A"

WHOLE = tuple(
    slip(*case)
    for case in (
        (CODE, 'scrap_code: ▲"{scrap}"', "is a whole message with fields", '"{scrap.code}"'),
        (CODE, 'scrap_code: ▲"Code {scrap}"', "is a whole message with fields"),
        (CODE, 'scrap_code: ▲"{scrap|none}"', "is a whole message with fields"),
        (LOT, 'lot: ▲"{scrap}"', "is a whole message with fields"),
        (NAME, 'name: ▲"{order} {scrap}"\n', "is a whole message with fields"),
        (PRODUCT, 'product: ▲"{scrap}"\n', "is a whole message with fields"),
        (JAM, 'reason: ▲"{scrap}"}', "is a whole message with fields"),
        (NAME, 'name: "{▲order.sku}"\n', "one value without 'sku'", "that is the input 'sku'"),
        (NAME, 'name: "{order}-{▲order.lot}"\n', "one value without 'lot'", "`field: lot`"),
        (LOT, 'lot: "{▲order.number}"', "that is the input 'order'"),
        (LOT, 'lot: "{▲sku.text|none}"', "`field: text`"),
        (WHEN, "\"▲order.kind == 'x'\"", "one value without 'kind'"),
    )
)
PLACES = tuple(
    slip(*case, warning=True)
    for case in (
        (SCRAP, "topic: plant-a/L00/events/scrap, time: ▲scrap.at}", "the name of an input", "write 'at'"),
        (SCRAP, "topic: plant-a/L00/events/scrap, time: {field: ▲scrap.at, zone: UTC}}", "write 'at'"),
        (SCRAP, "topic: plant-a/L00/events/scrap, time: at, id: ▲scrap.number}", "write 'number'"),
        (SCRAP, "topic: plant-a/L00/events/scrap, time: at, id: [at, ▲scrap.number]}", "write 'number'"),
        (SCRAP, "topic: plant-a/L00/events/scrap, time: at, only: {▲scrap.type: a}}", "write 'type'"),
        (ORDER, "topic: plant-a/L00/events/order, field: number, time: ▲order.at}", "write 'at'"),
    )
)
WORDS = tuple(
    slip(*case, warning=True)
    for case in (
        (T3, T3.replace("}", ", default: ▲FALSCH}"), "a spreadsheet writes this for false", "write false"),
        (T3, T3.replace("}", ", default: ▲WAHR}"), "write true"),
        (T3, T3.replace("}", ", default: ▲VRAI}"), "write true"),
        (T3, T3.replace("}", ", default: ▲FAUX}"), "write false"),
        (T3, T3.replace("}", ", default: ▲VERDADERO}"), "write true"),
        (T3, T3.replace("}", ", default: ▲ONWAAR}"), "write false"),
        (SCRAP, "topic: plant-a/L00/events/scrap, time: at, only: {gut: ▲WAHR}}", "'WAHR'", "write true"),
        (UPTIME, "▲WAHR: {category: Uptime}", "write 'true'"),
    )
)
NAMES = tuple(
    slip(*case, warning=True)
    for case in (
        ("line: Line 00", "line: ▲Line  00", "two blanks in a row"),
        (FACTORY, "factory: ▲Factory  A", "two blanks in a row"),
        (JAM, "reason: ▲Belt  jam}", "two blanks in a row"),
        (FACTORY, "factory: ▲Factory А", "'Factory A'"),
        (FACTORY, "factory: ▲Fаctory A", "cyrillic small letter a"),
        (JAM, "reason: ▲Jаm}", "cyrillic small letter a"),
        ("reason: Changeover", "reason: ▲Ｃhangeover", "'Changeover'"),
        (JAM, "reason: Jam 01}\n        4: {category: Unplanned Downtime, reason: ▲Jam O1}", "'Jam 01'"),
    )
)
HEAD = (
    slip("client_id: edge-01", "client_id: ▲edge 01", "a blank", "'-' and '_'", warning=True),
    slip(
        '"mqtt://broker.plant-a.local"',
        '▲"mqtt://broker.plant-a.local/mqtt"',
        "stands behind the host",
        "ws://",
        warning=True,
    ),
)
HEAD_2 = (
    slip("client_id: edge-01", "client_id: ▲edge+01", "'+'", warning=True),
    slip('"mqtt://broker.plant-a.local"', '"ws://broker.plant-a.local", alternatives: [▲"mqtts://b/x"]', warning=True),
)
OF_SILENCE: dict[str, tuple[tuple[Slip, ...], tuple[Slip, ...]]] = {
    "whole messages as texts": (HEAD, WHOLE),
    "fields of another place": (HEAD_2, PLACES),
    "words of spreadsheets": ((), WORDS),
    "names that look alike": ((), NAMES),
}
