// What has waited for Oden over the last hours, how many requests were made, and how long what waited was to take.
"use strict";

const MINUTES = 12 * 60;
const ACROSS = 240; // points of a drawing: the most of three minutes each
const UP = 60; // of the drawing, in its own units
const POINTS_EVERY = 60000;

/** What is drawn: its name, which number of a point it is, and how a number is told. */
const CHARTS = [
  { name: "Records that wait", of: 1, told: (n) => n.toLocaleString("en") },
  { name: "Requests a minute", of: 2, told: (n) => n.toLocaleString("en") },
  { name: "Time to drain", of: 3, told: (n) => (n === null ? "not draining" : span(n)) },
];

let points = []; // [minute, waiting, requests, seconds to drain]
let pointsAt = 0;

/** Asks for what is new since the last time, once a minute. */
async function followTrend() {
  if (isWall || Date.now() - pointsAt < POINTS_EVERY) return;
  pointsAt = Date.now();
  const since = points.length ? points.at(-1)[0] : 0; // the last one was not at its end
  const more = await fetch(`api/trend?since=${since}`).then((response) => (response.ok ? response.json() : [])).catch(() => []);
  const first = more.length ? more[0][0] : Infinity;
  points = [...points.filter(([minute]) => minute < first), ...more].slice(-MINUTES);
  list(document, "charts", "chart", CHARTS, (chart) => chart.name, showChart);
}

function showChart(figure, chart) {
  const numbers = points.map((point) => [point[0], point[chart.of]]);
  const [until, last] = numbers.at(-1) ?? [0, 0];
  const most = Math.max(...numbers.map(([, value]) => value ?? 0), 0);
  const columns = Array(ACROSS).fill(0); // shares of the height; null stands for more than all
  for (const [minute, value] of numbers) {
    const place = ACROSS - 1 - Math.floor((until - minute) / 60 / (MINUTES / ACROSS));
    const share = value === null ? 1 : most ? value / most : 0;
    if (place >= 0) columns[place] = Math.max(columns[place], share);
  }
  const line = columns.map((share, place) => [place + 0.5, UP - 2 - share * (UP - 6)]);
  draw(figure.querySelector(".edge"), line);
  draw(figure.querySelector(".area"), [[0, UP], [0, line[0][1]], ...line, [ACROSS, line.at(-1)[1]], [ACROSS, UP]]);
  fill(figure, { name: chart.name, last: chart.told(last), span: `at most ${chart.told(most)}` });
  figure.querySelector("svg").ariaLabel = `${chart.name} over the last twelve hours: now ${chart.told(last)}, at most ${chart.told(most)}.`;
}

function draw(polyline, places) {
  polyline.points.clear();
  for (const [x, y] of places) {
    const point = polyline.ownerSVGElement.createSVGPoint();
    [point.x, point.y] = [x, y];
    polyline.points.appendItem(point);
  }
}
