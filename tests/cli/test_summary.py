"""What `check` says of a line: for every way to configure one, the sentence that a controls engineer would expect."""

import pytest
from ruamel.yaml import YAML

from gateway.cli.summary import summary
from gateway.config.schema import Line
from gateway.mapping.compile import compile_line

CODES = "codes: {1: {category: Uptime}}"

INPUTS = """
  state:   {source: plc, node: State}
  order:   {source: plc, node: Order}
  speed:   {source: plc, node: Speed}
  mode:    {source: plc, node: Mode}
  good:    {source: plc, node: Good, counter: {rollover: 65536, max_rate: 5/s}}
  reject:  {source: plc, node: Reject, counter: {}}
  eye:     {source: plc, node: Eye, edge: rising}
  event:   {source: mes, topic: events}
  entry:   {source: mes, topic: reasons, time: at}
"""


def sentences_about(text: str) -> list[str]:
    """All sentences about a line with INPUTS and what `text` adds to them; the gateway accepts that line."""
    written = f"factory: F\nline: L\ninputs: {INPUTS}{text}"
    line = Line.model_validate(YAML(typ="safe").load(written))
    compile_line(line, ())
    return [sentence for sentences in summary(line).values() for sentence in sentences]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        # inputs
        (
            "  a: {source: mes, topic: t, field: job.no, time: at}",
            "a is the field job.no of each message on t of mes, which happened when its field at says.",
        ),
        ("  a: {source: mes, topic: t}", "a is each message on t of mes."),
        (
            "  a: {source: mes, topic: t, id: [press, number]}",
            "a is each message on t of mes; one whose press and number came before is left out.",
        ),
        ("", "A message that comes late, by up to 15 min, is put in its place, and what was told is corrected."),
        ("late: 0", "A message that comes late is taken by itself: what was told before it stays."),
        (
            "run: {key: order, product: '{order}', untold: unassigned}",
            "What was made in one whose product never came is told as unassigned, 15 min later.",
        ),
        (
            "run: {key: event, product: P}",
            "Messages of event have no time: what changes while the gateway or the broker is away begins when it is "
            "heard, and what came and went meanwhile is listed. Give it 'time', where the sender says it.",
        ),
        (
            "run: {key: order, product: P}\n"
            'scrap_yield: {wait: 30s, entries: [{count: good, raw_data: {yield: "{n}"}}]}',
            "Each is told 30 s after its end, so that an order that comes late by no more needs no correction; starts "
            "and ends are not held back.",
        ),
        ("  a: {expr: 'speed > 5.0'}", "a is what follows from speed > 5.0."),
        (
            "  a: {source: mes, topic: t, field: f, only: {type: [scrap, 7], ok: true}}",
            "a is the field f of each message on t of mes whose type is scrap or 7 and ok is true.",
        ),
        (
            "  a: {source: mes, device: G/E/Press, metric: Good}",
            "a is the metric Good of the Sparkplug device G/E/Press behind mes.",
        ),
        (
            "  a: {source: mes, device: G/E, metric: Up}",
            "a is the metric Up of the Sparkplug edge node G/E itself behind mes.",
        ),
        ("  a: {source: plc, node: A, fresh: 15m}\n  b: {stale: a}", "b is true while a is quiet."),
        (
            "  a: {source: plc, node: A, fresh: 15m}",
            "a is quiet when nothing has come for 15 min: that is listed as a gap.",
        ),
        (
            "  a: {source: plc, node: A, heartbeat: 10s}",
            "a must change every 10 s: else nothing from plc counts as known, which is listed as a gap.",
        ),
        ("  a: {source: plc, node: A, edge: falling}", "Each time a changes to 0, false or empty is an event."),
        ("  a: {source: plc, node: A, edge: any}", "Each change of a is an event."),
        ("", "Each time eye changes from 0, false or empty to something else is an event."),
        ("", "good is exact over a gap of up to 3 h 38 min (65536 at 5 a second)."),
        ("", "A jump of good by more than 5 a second is counted, and listed as a gap."),
        ("", "reject never rolls over: what it counts in a gap is never lost, unless it is reset in the gap."),
        ("", "A smaller value is a reset to zero: what it shows was made since, and it is listed as a gap."),
        (
            "  a: {source: plc, node: A, counter: {rollover: 256}}",
            "a rolls over at 256: give it a max_rate, so that a reset is told from a rollover.",
        ),
        (
            "  a: {source: plc, node: A, counter: {backwards: count}}",
            "A smaller value means that so many were taken back.",
        ),
        (
            "  a: {source: plc, node: A, counter: {backwards: ignore}}",
            "A smaller value is a reset of which nothing is counted, and is listed as a gap.",
        ),
        ("  a: {source: plc, node: A, counter: {restarts_with: order}}", "It starts again from zero with each order."),
        ("  a: {source: plc, node: A, counter: {scale: 0.1}}", "Each count of a is 0.1 of what is sent."),
        ("  a: {source: plc, node: A, counter: {scale: 0.1, unit: m}}", "Each count of a is 0.1 m."),
        ("  a: {source: plc, node: A, counter: {unit: kg}}", "Each count of a is 1 kg."),
        (
            "  a: {source: plc, node: A, counter: {max_rate: 1/s, too_fast: ignore}}",
            "A jump of a by more than 1 a second is left out, and listed as a gap.",
        ),
        # runs
        (
            "run: {key: order, product: P}",
            "A run begins when order changes; while that is empty, 0 or false there is none.",
        ),
        ("run: {key: order, product: P}", "It is decided 500 ms later, so that the other inputs can follow."),
        ("run: {key: order, product: P}", 'Its product is "P".'),
        ("run: {key: order, product: P}", "It ends when order changes, also to empty, 0 or false."),
        (
            "run: {key: order, product: P, empty_for: 2m}",
            "While order is empty for less than 2 min and then the same again, it goes on.",
        ),
        (
            "run: {key: order, product: '{state}'}",
            'Its product is "{state}"; until that is known the run is not told; then it is, with its true start.',
        ),
        (
            "run: {key: order, product: '{state}', unknown_product: TBD}",
            'Its product is "{state}"; until that is known it is "TBD".',
        ),
        ("run: {key: order, product: P, name: 'No {order}'}", 'Its name is "No {order}".'),
        (
            "run: {key: order, product: P, metadata: {pilot: true, m: '{mode}'}}",
            'Told with it: pilot true, m "{mode}".',
        ),
        (
            "run: {key: order, product: P, target: {metric_group: Speed, value: 5, usl: '{speed}'}}",
            'Its target for Speed is value 5, upper limit "{speed}".',
        ),
        (
            "run: {key: order, product: P, correct: 1m}",
            "What changes within 1 min of its start corrects it; what was not known is filled in whenever it comes.",
        ),
        (
            "run: {key: order, product: P, end: {when: state == 0, for: 30m}}",
            "It ends when order changes, also to empty, 0 or false, or when state == 0 has held for 30 min, with the "
            "time when that began.",
        ),
        (
            "run: {key: order, product: P, end: {idle: 15m}}",
            "It ends when order changes, also to empty, 0 or false, or when good and reject did not count for 15 min, "
            "with the time of the last count.",
        ),
        (
            "run: {key: order, product: P, end: {idle: 15m, count: [good]}}",
            "It ends when order changes, also to empty, 0 or false, or when good did not count for 15 min, with the "
            "time of the last count.",
        ),
        (
            "run: {start: {when: speed > 5.0, for: 10s}, end: {when: state == 0}, product: P}",
            "A run begins when speed > 5.0 has held for 10 s, with the time when that began; while one is on no other "
            "begins.",
        ),
        (
            "run: {start: {when: speed > 5.0, for: 10s}, end: {when: state == 0}, product: P}",
            "It ends when state == 0 becomes true.",
        ),
        (
            "run: {start: {when: speed > 5.0}, product: P}",
            "A run begins when speed > 5.0 becomes true; each time is the next.",
        ),
        ("run: {start: {when: speed > 5.0}, product: P}", "It ends when the next begins."),
        (
            "run: {start: {event: event, when: event.a == 1}, end: {event: eye}, product: P}",
            "A run begins with each message of event for which event.a == 1.",
        ),
        (
            "run: {start: {event: event, when: event.a == 1}, end: {event: eye}, product: P}",
            "It ends when the next begins, or with each event of eye.",
        ),
        (
            "run: {start: {event: order}, product: P}",
            "A run begins with each change of order to something other than 0, false and empty.",
        ),
        # batches
        (
            "run: {key: order, product: P}\nbatches: {every: 500, count: good}",
            "A batch is 500 of good; the first begins with the run.",
        ),
        (
            "  a: {source: plc, node: A, counter: {unit: m}}\n"
            "run: {key: order, product: P}\n"
            "batches: {every: 500, count: a}",
            "A batch is 500 m of a; the first begins with the run.",
        ),
        (
            "run: {key: order, product: P}\nbatches: {every: 500, count: good}",
            "It ends when the next begins, or when its run ends.",
        ),
        (
            "run: {key: order, product: P}\nbatches: {key: mode}",
            "A batch begins when mode changes; while that is empty, 0 or false there is none.",
        ),
        ("run: {key: order, product: P}\nbatches: {key: mode}", "There is none without a run."),
        (
            "batches: {start: {event: event}, without_run: true, end: {event: eye}}",
            "It ends when the next begins, or with each event of eye.",
        ),
        # states
        (f"states: {{input: state, {CODES}}}", "The state comes from state: 1 is Uptime."),
        (f"states: {{input: state, {CODES}}}", "Any other code is reported and changes nothing."),
        (
            f"states: {{input: state, {CODES}, other: {{category: Down, reason: 'PLC {{state}}'}}}}",
            "Any other code is Down / PLC {state}.",
        ),
        (
            "states: {input: state, codes: {STOP: {category: Down, reason: Jam, comment: '{speed}'}}}",
            'The state comes from state: STOP is Down / Jam, with the comment "{speed}".',
        ),
        (
            "states: {input: state, bits: [{bit: 15, category: Down, reason: Stop}, {bit: 3, category: Jam}], other: "
            "{category: Up}}",
            "The first of these that is true of state is the state: Down / Stop if bit 15 is set; Jam if bit 3 is set.",
        ),
        (
            "states: {input: state, bits: [{bit: 15, category: Down}], other: {category: Up}}",
            "If none of them is set, it is Up.",
        ),
        (
            "states: {ladder: [{when: speed > 5.0, category: Up}, {when: mode == 2, category: Down}], other: "
            "{category: Idle}}",
            "The first of these that is true is the state: Up if speed > 5.0; Down if mode == 2.",
        ),
        ("states: {ladder: [{when: speed > 5.0, category: Up}], other: {category: Idle}}", "If none is, it is Idle."),
        (
            "states: {preset: packml, input: state, mode: mode}",
            "While mode is Maintenance (2) or Manual (3), that is the state: Planned Downtime.",
        ),
        (
            "states: {preset: packml, input: state, categories: {uptime: Run}, codes: {5: {category: Wait}}}",
            "But 5 is Wait.",
        ),
        (f"states: {{input: state, {CODES}, hold: 5s}}", "A state that lasts less than 5 s is not sent."),
        (
            "states: {input: state, codes: {1: {category: Uptime}, 2: {category: Slow}}, short_stops: {under: 2m, "
            "during: [Uptime, Slow]}}",
            "A stop of less than 2 min during Uptime or Slow is not sent, but counted in that state.",
        ),
        (
            f"states: {{input: state, {CODES}, offline: {{after: 60s, category: No Data}}}}",
            "When the source has been gone for 1 min the state is No Data, from when it was lost.",
        ),
        (
            f"states: {{input: state, {CODES}, operator: {{event: entry, reason: '{{entry.r}}', of: [Down], when: "
            "entry.ok}}",
            "Each message of entry for which entry.ok changes the newest state of Down that had begun by then: "
            'reason "{entry.r}".',
        ),
        # custom intervals
        (
            "intervals: [{type: Operator, key: mode, name: '{mode}'}]",
            "An interval of type Operator begins when mode changes; while that is empty, 0 or false there is none.",
        ),
        (
            "run: {key: order, product: P}\nintervals: [{type: Tool, start: {event: eye}, inside_run: true}]",
            "It ends when the next begins, or when its run ends.",
        ),
        (
            "intervals: [{type: Shift, calendar: {zone: Europe/Berlin, shifts: [{name: Night, days: sun-thu, from: "
            "'22:00', to: '06:00'}]}}]",
            "An interval of type Shift follows the calendar, by the wall clock of Europe/Berlin: Night sun-thu "
            "from 22:00 to 06:00.",
        ),
        # scrap and yield
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {every: 5m, entries: [{count: good, raw_data: {yield: '{n}'}}]}",
            'While a run is on, good is sent every 5 min as yield "{n}".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {entries: [{count: good, factor: 12, min: 10, raw_data: {yield: '{n}'}}]}",
            'While a run is on, good is sent times 12 every 1 min as yield "{n}".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {entries: [{count: good, factor: 12, min: 10, raw_data: {yield: '{n}'}}]}",
            "Less than 10 of good waits for the next time.",
        ),
        (
            "  a: {source: plc, node: A, counter: {unit: m}}\n"
            "run: {key: order, product: P}\n"
            "scrap_yield: {entries: [{count: a, raw_data: {yield: '{n}'}}]}",
            'While a run is on, a, counted in m, is sent every 1 min as yield "{n}".',
        ),
        (
            "run: {key: order, product: P}\nscrap_yield: {entries: [{count: eye, raw_data: {yield: '{n}'}}]}",
            'While a run is on, eye, one for each event, is sent every 1 min as yield "{n}".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {entries: [{count: event, each: 4, raw_data: {yield: '{n}'}}]}",
            'While a run is on, event, 4 for each message, is sent every 1 min as yield "{n}".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {codes: {1: Gel}, entries: [{count: event.qty, raw_data: {scrap: '{n}', code: "
            "'{codes[event.c].name}'}}]}",
            'While a run is on, event.qty, an amount in each message, is sent every 1 min as scrap "{n}", code '
            '"{codes[event.c].name}".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {codes: {1: Gel}, entries: [{count: event.qty, raw_data: {scrap: '{n}', code: "
            "'{codes[event.c].name}'}}]}",
            'Codes: 1 is "Gel".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {align: run, entries: [{count: good, raw_data: {yield: '{n}'}}]}",
            "The times are counted from the start of the run or batch; what is left is sent when the run or batch "
            "ends.",
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {between_runs: report, entries: [{count: good, raw_data: {yield: '{n}'}}]}",
            "What is made while no run is on is not sent, but listed as a gap.",
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {between_runs: unassigned, entries: [{count: good, raw_data: {yield: '{n}'}}]}",
            'What is made while no run is on gets a run of its own, named "Unassigned".',
        ),
        (
            "run: {key: order, product: P}\n"
            "scrap_yield: {gaps: end, entries: [{count: good, raw_data: {yield: '{n}'}}]}",
            "What a counter has moved by over a gap belongs to what was on when it is back.",
        ),
        (
            "batches: {key: mode, without_run: true}\n"
            "scrap_yield: {entries: [{count: good, of: batch, raw_data: {yield: '{n}'}}]}",
            "What is counted for batches while none is on goes to the next batch.",
        ),
        (
            "  a: {source: plc, node: A, deadband: 2%}",
            "a says nothing while it moves by no more than 2 % of its range.",
        ),
        (
            "  a: {source: plc, node: A, sampling: 0, queue: 20, publishing_interval: 50ms}",
            "Of a the server looks at it as often as it can, keeps 20 of its values until they are taken, reports it "
            "every 50 ms.",
        ),
        ("", "Nothing becomes of these inputs: say under 'run', 'states' and the like what they mean."),
    ],
)
def test_each_way_to_configure_a_line_has_its_sentence(text: str, sentence: str) -> None:
    """Whatever the page on mapping offers, `check` says what it does, word for word."""
    assert sentence in sentences_about(text)
