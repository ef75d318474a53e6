// The last twelve hours of a line, as Oden was told: states above, runs below, hatched where nothing was known.
"use strict";

const HOURS = 12;
const WIDTH = 720; // of the drawing, in its own units
const ROWS = { STATE: [0, 16], RUN: [18, 8], "?": [0, 26] };

const timelines = new Map(); // by line, its intervals

function showTimeline(svg, line) {
  const spans = timelines.get(line.key) ?? [];
  const until = now() / 1000;
  const from = until - HOURS * 3600;
  const place = (at) => Math.max(0, Math.min(WIDTH, (at - from) / (until - from) * WIDTH));
  const drawn = spans.filter((span) => (span.end ?? until) > from).sort((a, b) => (a.type === "?") - (b.type === "?"));
  const key = JSON.stringify([Math.floor(until / 60), line.revision, drawn.length, line.tones]);
  if (svg.dataset.drawn === key) return;
  svg.dataset.drawn = key;
  svg.replaceChildren(...drawn.map((span) => {
    const template = document.getElementById(span.type === "?" ? "gap" : "bar");
    const rect = template.content.firstElementChild.firstElementChild.cloneNode(true);
    const [top, height] = ROWS[span.type];
    const end = place(span.end ?? until);
    rect.x.baseVal.value = place(span.start);
    rect.y.baseVal.value = top;
    rect.width.baseVal.value = Math.max(0.5, end - place(span.start));
    rect.height.baseVal.value = height;
    rect.classList.add(span.type === "RUN" ? "order" : span.type === "?" ? "gap" : line.tones[span.about] ?? "neutral");
    rect.querySelector("title").textContent = spoken(span);
    return rect;
  }));
  const known = drawn.filter((span) => span.type === "STATE");
  svg.ariaLabel = `The last ${HOURS} hours: ${count(known.length, "state", "states")}, ${count(drawn.filter((span) => span.type === "RUN").length, "run", "runs")}.`;
  svg.classList.toggle("empty", !drawn.length);
}

function spoken(span) {
  const what = span.type === "?" ? "Nothing known" : [span.name, span.about, span.reason].filter(Boolean).join(" · ") || span.type.toLowerCase();
  const end = span.end === null ? "now" : clock(span.end * 1000, {});
  return `${what}, ${clock(span.start * 1000, {})} to ${end}`;
}
