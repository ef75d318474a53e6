// The lines, each as a card, with how many are how, and which of them are shown.
"use strict";

const isWall = location.pathname.endsWith("/wall");

/** How a line is counted and coloured: by what the configuration says of its state, never by the words. */
const TONES = { running: "running", planned: "planned stop", stopped: "stopped" };

function toneOf(line) {
  if (line.unknown_since) return "unknown";
  return line.tone ?? "neutral";
}

/** In which heap a line is counted. */
function tallyOf(line) {
  if (line.unknown_since) return "unknown";
  if (line.tone) return TONES[line.tone];
  return line.state?.category ?? "without state";
}

const GRAVITY = ["stopped", "unknown", "neutral", "planned", "running"];

/** Lines with a problem first, the gravest first, else in the order of the configuration. */
function gravity(line) {
  return line.held || line.unknown_since ? (line.held ? 0 : 1) : 2 + GRAVITY.indexOf(toneOf(line));
}

/** What of the configuration has come to nothing on this line. */
function inVain(line) {
  const parts = line.without_value.length ? [`No value yet: ${line.without_value.join(", ")}.`] : [];
  for (const [table, input] of Object.entries(line.unlearned)) parts.push(`The table ${table} has learned nothing yet: nothing came of ${input}.`);
  for (const [table, keys] of Object.entries(line.missed)) parts.push(`The table ${table} has nothing for ${keys.join(", ")}.`);
  return parts.join(" ");
}

/** What was made in the run, batch or shift, in the plant's own words; what kinds it was of stands in brackets. */
function madeIn(line, of) {
  return line.totals.filter((total) => total.of === of).map((total) => {
    const kinds = Object.entries(total.details).filter(([name, n]) => name && n);
    const said = isWall || kinds.length < 2 && kinds.length === Object.keys(total.details).length ? "" : kinds.map(([name, n]) => `${n.toLocaleString("en")} ${name}`).join(", ");
    return `${total.amount.toLocaleString("en")} ${total.name}${said ? ` (${said})` : ""}`;
  }).join(", ");
}

function showLine(element, line) {
  const amounts = Object.entries(line.without_run).map(([name, n]) => `${n.toLocaleString("en")} ${name}`);
  const within = [["Batch", line.batch], ...Object.entries(line.intervals)].filter(([, on]) => on);
  element.className = `${toneOf(line)}${line.held ? " held" : ""}`;
  fill(element, {
    name: line.line,
    factory: severalFactories ? line.factory : "",
    category: line.state ? line.state.category : "State not known yet",
    reason: line.state?.reason,
    state_since: since(line.state?.since),
    unknown: line.unknown_since ? `Unknown ${since(line.unknown_since)}${isWall ? "" : ". This is what was so before."}` : "",
    run: line.run ? [line.run.name, line.run.product].filter(Boolean).map(apart).join(" · ") : "No run",
    run_since: since(line.run?.since),
    made: madeIn(line, "RUN") || madeIn(line, "BATCH"),
    made_in_shift: [...new Set(line.totals.map((total) => total.of))].filter((of) => of !== "RUN" && of !== "BATCH").map((of) => `${of}: ${madeIn(line, of)}`).join(" · "),
    within: within.map(([type, on]) => `${apart(type)}: ${on.name ? apart(on.name) : `since ${clock(on.since, {})}`}`).join(" · "),
    without_run: amounts.length ? `${amounts.join(", ")} made between runs: goes to the next run.` : "",
    trouble: line.held,
    in_vain: inVain(line),
    inputs_heading: count(line.number, "input", "inputs") + (line.doubtful ? `, ${line.doubtful} not good` : ""),
  });
  showTimeline(element, line);
  const details = element.querySelector("details.inputs");
  details.ontoggle = () => showInputs(element, line.key);
}

/** How late the messages of an input come, and what had to be corrected because of it. */
function lateness(known) {
  if (!known || known.worst < 1) return "";
  const seconds = (n) => `${n.toLocaleString("en", { maximumFractionDigits: n < 10 ? 1 : 0 })} s`;
  const said = `Late: half by ${seconds(known.p50)} at most, 95 of 100 by ${seconds(known.p95)}, all by ${seconds(known.worst)}.`;
  if (!known.requests) return said;
  const saved = Object.entries(known.saved).map(([wait, n]) => `${wait} s ${n.toLocaleString("en")}`).join(", ");
  return `${said} ${count(known.corrections, "correction", "corrections")} with ${count(known.requests, "request", "requests")} for output; a wait would have saved: ${saved}.`;
}

/** The inputs of a line, which are asked for only while somebody looks at them. */
async function showInputs(element, key) {
  const details = element.querySelector("details.inputs");
  if (!details.open || !element.isConnected) return;
  const answer = await fetch(`api/line?key=${encodeURIComponent(key)}`).then((response) => response.json()).catch(() => null);
  list(element, "inputs", "input", Object.entries(answer?.inputs ?? {}), ([name]) => name, (row, [name, input]) => {
    row.className = input.quality === "good" ? "" : "doubtful";
    const value = input.value === null ? "–" : String(input.value);
    const at = input.at ? `${age(input.at)} ago` : "not yet";
    fill(row, { name, value, at: input.quality === "good" ? at : `${input.quality}, ${at}`, late: lateness(answer.lateness[name]) });
  });
}

/** On the wall nobody can ask for the rest of a text: one that is too long for its row is written smaller, and one that is
 * much too long on two rows, or more. */
function fitRows() {
  const rows = [...document.querySelectorAll(".lines h3, .lines .state, .lines .run, .lines .made, .lines .within")];
  for (const row of rows) {
    row.classList.remove("two-rows");
    row.style.fontSize = "";
  }
  const fits = rows.map((row) => [row.clientWidth / row.scrollWidth, parseFloat(getComputedStyle(row).fontSize)]);
  rows.forEach((row, place) => {
    const [room, size] = fits[place];
    const least = row.matches(".run") ? 0.85 : 0.66;
    row.classList.toggle("two-rows", room < least);
    if (room < 1) row.style.fontSize = `${size * 0.97 * (room < least ? Math.max(0.58, Math.min(least, room * 1.7)) : room)}px`;
  });
}

let severalFactories = false;
let only = ""; // the heap that alone is shown
let wanted = ""; // the text that alone is shown

function showLines(all) {
  severalFactories = new Set(all.map((line) => line.factory)).size > 1;
  const heaps = new Map();
  for (const line of all) heaps.set(tallyOf(line), [...(heaps.get(tallyOf(line)) ?? []), line]);
  if (!heaps.has(only)) only = "";
  const tallies = [["", all], ...[...heaps].sort(([, [a]], [, [b]]) => gravity(a) - gravity(b))];
  list(document, "tallies", "tally", tallies, ([name]) => name, (button, [name, members]) => {
    button.className = name ? toneOf(members[0]) : "all";
    button.ariaPressed = String(name === only);
    button.onclick = () => { only = name === only ? "" : name; showLines(all); };
    fill(button, { count: members.length, name: name || (members.length === 1 ? "line" : "lines") });
  });
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const said = (line) => [line.factory, line.line, line.state?.category, line.state?.reason, line.run?.name, line.run?.product, line.batch?.name].join(" ").toLowerCase();
  const shown = all
    .filter((line) => (!only || tallyOf(line) === only) && words.every((word) => said(line).includes(word)))
    .sort((a, b) => gravity(a) - gravity(b) || a.place - b.place);
  document.body.dataset.lines = shown.length <= 2 ? "one" : shown.length <= 6 ? "few" : shown.length <= 20 ? "some" : "many";
  list(document, "lines", "line", shown, (line) => line.key, showLine);
  fill(document, { no_lines: shown.length ? "" : "No line is so." });
  if (isWall) fitRows();
}
