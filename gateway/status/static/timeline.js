// The last twelve hours of a line, as Oden was told: states above, runs below, hatched where nothing was known.
"use strict";

const HOURS = 12;
const WIDTH = 720; // of the drawing, in its own units
const ROWS = { STATE: [0, 16], RUN: [18, 8], "?": [0, 26] };

const LATE = 60; // seconds for which a timeline may be behind without a word

const timelines = new Map(); // by line, its intervals by their number, and of which revision the newest is
const timelinesHeard = { revision: -1, at: 0 }; // of which revision they are, and since when (epoch)

function showTimeline(element, line) {
  const svg = element.querySelector(".timeline");
  const { spans, revision } = timelines.get(line.key) ?? { spans: new Map(), revision: -1 };
  const until = now() / 1000;
  const isLate = line.revision > timelinesHeard.revision && until - timelinesHeard.at > LATE;
  const known = isLate ? timelinesHeard.at : until;
  fill(element, { until: isLate ? `as of ${clock(known * 1000, {})}` : "now" });
  const from = until - HOURS * 3600;
  const place = (at) => Math.max(0, Math.min(WIDTH, (at - from) / (until - from) * WIDTH));
  const drawn = [...spans.values()].filter((span) => (span.end ?? known) > from).sort((a, b) => (a.type === "?") - (b.type === "?"));
  const key = JSON.stringify([Math.floor(until / 60), revision, isLate, drawn.length, line.tones]);
  if (svg.dataset.drawn === key) return;
  svg.dataset.drawn = key;
  svg.replaceChildren(...drawn.map((span) => {
    const template = document.getElementById(span.type === "?" ? "gap" : "bar");
    const rect = template.content.firstElementChild.firstElementChild.cloneNode(true);
    const [top, height] = ROWS[span.type];
    const end = place(span.end ?? known);
    rect.x.baseVal.value = place(span.start);
    rect.y.baseVal.value = top;
    rect.width.baseVal.value = Math.max(0.5, end - place(span.start));
    rect.height.baseVal.value = height;
    rect.classList.add(span.type === "RUN" ? "order" : span.type === "?" ? "gap" : line.tones[span.about] ?? "neutral");
    rect.querySelector("title").textContent = spoken(span);
    return rect;
  }));
  const states = drawn.filter((span) => span.type === "STATE");
  svg.ariaLabel = `The last ${HOURS} hours: ${count(states.length, "state", "states")}, ${count(drawn.filter((span) => span.type === "RUN").length, "run", "runs")}.`;
  svg.classList.toggle("empty", !drawn.length);
}

/** Takes an answer of api/timeline, heard `at` (epoch): all there is, or what has changed since the last one. */
function takeTimelines(answer, at, isAll) {
  if (isAll) timelines.clear();
  for (const [key, spans] of Object.entries(answer.lines)) {
    const known = timelines.get(key)?.spans ?? new Map();
    for (const [number, span] of known) if (span.end !== null && span.end < at - HOURS * 3600) known.delete(number);
    for (const span of spans) known.set(span.number, span);
    timelines.set(key, { spans: known, revision: answer.revision });
  }
  timelinesHeard.revision = answer.revision;
  timelinesHeard.at = at;
}

function spoken(span) {
  const what = span.type === "?" ? "Nothing known" : [span.name, span.about, span.reason].filter(Boolean).join(" · ") || span.type.toLowerCase();
  const end = span.end === null ? "now" : clock(span.end * 1000, {});
  return `${what}, ${clock(span.start * 1000, {})} to ${end}`;
}
