// The status page: asks /api/status every two seconds and shows the answer.
// Every text goes through textContent: values come from PLCs and messages and are never taken for markup.
"use strict";

const EVERY = 2000;
const PATIENCE = 5000;

// Putting things on the page

/** Fills the elements marked `data-text` below `root` with the texts of the same names; an empty one is hidden. */
function fill(root, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const element = root.querySelector(`[data-text="${name}"]`);
    const shown = text === null || text === undefined ? "" : String(text);
    if (element.textContent !== shown) element.textContent = shown;
    element.hidden = shown === "";
  }
}

/** Makes the list `name` below `root` hold one copy of `template` per item, keeping those it has: what is unfolded stays so. */
function list(root, name, template, items, key, show) {
  const parent = root.querySelector(`[data-list="${name}"]`);
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const id = String(key(item, place));
    const element = kept.get(id) ?? document.getElementById(template).content.firstElementChild.cloneNode(true);
    kept.delete(id);
    element.dataset.key = id;
    show(element, item);
    if (parent.children[place] !== element) parent.insertBefore(element, parent.children[place] ?? null);
  });
  for (const element of kept.values()) element.remove();
}

/** Marks an article as `ok`, `warn`, `bad` or `off`; the words say the same as the colour. */
function mark(element, level, words) {
  element.className = level;
  fill(element, { mark: words });
}

// Words for numbers and times

let asked = new Date(); // the gateway's own time of the last answer: ages do not depend on this browser's clock

function count(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function sum(counts) {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

function age(time) {
  return span((asked - new Date(time)) / 1000);
}

/** The time of day where the browser is, with the day where that is not today. */
function clock(time, precision = { second: "2-digit" }) {
  const at = new Date(time);
  const day = at.toDateString() === asked.toDateString() ? {} : { month: "short", day: "numeric" };
  return at.toLocaleString("en", { ...day, hour: "2-digit", minute: "2-digit", ...precision, hourCycle: "h23" });
}

function since(time) {
  return time ? `since ${clock(time, {})} (${age(time)})` : "";
}

function size(bytes) {
  const mib = bytes / 2 ** 20;
  return mib < 1 ? `${Math.ceil(bytes / 1024)} KiB` : `${mib.toFixed(mib < 10 ? 1 : 0)} MiB`;
}

// What is shown of each part

function showHeadline(now) {
  const found = [...now.problems, ...now.hints];
  const level = now.problems.length ? "bad" : found.length || !now.ready ? "warn" : "ok";
  document.getElementById("headline").className = level;
  fill(document, { headline: now.headline, about: `Oden gateway ${now.version}, running for ${age(now.started_at)}. As of ${clock(now.now)}.` });
  list(document, "problems", "problem", found.slice(1), (text) => text, (element, text) => fill(element, { text }));
  document.title = `${{ ok: "OK", warn: "working", bad: `${now.problems.length} ▲` }[level]} – Oden gateway`;
}

function showSource(element, source) {
  const failed = Object.entries(source.failed);
  const kind = { opcua: "OPC UA", mqtt: "MQTT" }[source.type];
  if (!source.connected) mark(element, "bad", "away");
  else if (failed.length) mark(element, "warn", `${failed.length} failing`);
  else mark(element, "ok", "connected");
  const ignored = Object.entries(source.unmatched);
  const { good = 0, ...doubtful } = source.samples;
  const others = Object.entries(doubtful).filter(([, n]) => n).map(([quality, n]) => `, ${n.toLocaleString("en")} ${quality}`);
  fill(element, {
    name: source.name,
    fact: `${kind}, ${source.connected ? "connected" : "not connected"} ${since(source.since)}`.trim()
      + (source.room ? `; the broker's queue lasts ${(source.room / 3600).toLocaleString("en", { maximumSignificantDigits: 2 })} h` : ""),
    trouble: source.connected ? "" : source.detail,
    in_vain: ignored.map(([address, n]) => `${n.toLocaleString("en")} of ${address} that no input takes.`).join(" "),
    last: source.last_sample_at ? `${age(source.last_sample_at)} ago` : "none yet",
    samples: good.toLocaleString("en") + others.join(""),
    gaps: source.gaps.toLocaleString("en"),
  });
  list(element, "failed", "failed", failed, ([address]) => address, (item, [address, why]) => fill(item, { address, why }));
}

function waiting(now) {
  const { dead, unsettled, ...others } = now.outbox.records;
  return sum(others);
}

function showOutbox(now) {
  const element = document.getElementById("outbox");
  const { sending = 0, in_doubt = 0, parked = 0, dead = 0, unsettled = 0 } = now.outbox.records;
  const total = waiting(now);
  const drain = now.outbox.drain_seconds;
  if (dead) mark(element, "warn", count(dead, "dead letter", "dead letters"));
  else if (unsettled) mark(element, "warn", `${unsettled.toLocaleString("en")} may be at Oden`);
  else if (total && drain === null) mark(element, "warn", "not draining");
  else mark(element, "ok", total ? "draining" : "empty");
  const parts = [count(total, "record waits", "records wait")];
  if (sending) parts.push(`${sending.toLocaleString("en")} being sent`);
  if (in_doubt) parts.push(`${in_doubt.toLocaleString("en")} being looked up at Oden`);
  fill(element, {
    fact: total ? parts.join(", ") : "Nothing waits: Oden has everything that was accepted.",
    trouble: parked ? `${count(parked, "record waits", "records wait")} for a dead letter` : "",
    drain: total ? (drain === null ? "not draining" : span(drain)) : "–",
    oldest: now.outbox.oldest_at ? `${age(now.outbox.oldest_at)} old` : "–",
    dead: dead.toLocaleString("en"),
    bytes: size(now.outbox.bytes),
  });
}

/** What became of a request, in the words of the page. */
const OUTCOMES = {
  delivered: "accepted",
  again: "to be repeated",
  doubt: "in doubt, looked up",
  dead: "refused for good",
  hold_line: "not allowed for a line",
  hold_api: "did not get through",
  hold_token: "token refused",
};

function showOden(oden) {
  const element = document.getElementById("oden");
  mark(element, oden.held ? "bad" : "ok", oden.held ? "held" : "reachable");
  if (!oden.held && !oden.last_success_at) mark(element, "off", "not asked yet");
  const outcomes = {}; // what became of requests -> how many
  for (const { outcome, count: n } of oden.requests) outcomes[outcome] = (outcomes[outcome] ?? 0) + n;
  const answered = sum(oden.seconds.counts);
  const retry = oden.retry_at ? ` Tries again ${new Date(oden.retry_at) > asked ? `in ${span((new Date(oden.retry_at) - asked) / 1000)}` : "now"}.` : "";
  const error = oden.last_error ? `Last error ${age(oden.last_error_at)} ago (${clock(oden.last_error_at)}): ${oden.last_error}` : "";
  const over = error && oden.last_success_at > oden.last_error_at; // both in one format, which sorts as text
  fill(element, {
    fact: oden.url,
    trouble: oden.held ? `${oden.held}.${retry}` : over ? "" : error,
    past: !oden.held && over ? `${error}. It is over: Oden has taken requests since.` : "",
    success: oden.last_success_at ? `${age(oden.last_success_at)} ago` : "none yet",
    requests: Object.entries(outcomes).map(([outcome, n]) => `${n.toLocaleString("en")} ${OUTCOMES[outcome] ?? outcome}`).join("\n") || "none yet",
    seconds: answered ? `${(oden.seconds.sum / answered).toFixed(2)} s` : "–",
    used: `${Math.round(oden.used_share * 100)} % of 1 request/s`,
  });
}

/** The colour of a state category. Categories are the factory's own words; one that is not known stays neutral. */
function tone(category) {
  if (/unplanned/i.test(category)) return "stopped";
  if (/planned/i.test(category)) return "planned";
  return /uptime|running|producti/i.test(category) ? "up" : "";
}

/** What of the configuration has come to nothing on this line. */
function inVain(line) {
  const parts = line.without_value.length ? [`No value yet: ${line.without_value.join(", ")}.`] : [];
  for (const [table, keys] of Object.entries(line.missed)) parts.push(`The table ${table} has nothing for ${keys.join(", ")}.`);
  return parts.join(" ");
}

function showLine(element, line) {
  const inputs = Object.entries(line.inputs);
  const doubtful = inputs.filter(([, input]) => input.quality !== "good").length;
  const amounts = Object.entries(line.without_run).map(([name, n]) => `${n.toLocaleString("en")} ${name}`);
  element.className = line.state ? tone(line.state.category) : "";
  fill(element, {
    name: line.line,
    category: line.state ? line.state.category : "State not known yet",
    reason: line.state?.reason,
    state_since: since(line.state?.since),
    run: line.run ? [line.run.name, line.run.product].filter(Boolean).join(" · ") : "No run",
    run_since: since(line.run?.since),
    without_run: amounts.length ? `${amounts.join(", ")} made between runs: goes to the next run.` : "",
    trouble: line.held,
    in_vain: inVain(line),
    inputs_heading: count(inputs.length, "input", "inputs") + (doubtful ? `, ${doubtful} not good` : ""),
  });
  list(element, "inputs", "input", inputs, ([name]) => name, (row, [name, input]) => {
    row.className = input.quality === "good" ? "" : "doubtful";
    const value = input.value === null ? "–" : String(input.value);
    const at = input.at ? `${age(input.at)} ago` : "not yet";
    fill(row, { name, value, at: input.quality === "good" ? at : `${input.quality}, ${at}` });
  });
}

function showLines(lines) {
  const factories = new Map();
  for (const line of lines) factories.set(line.factory, [...(factories.get(line.factory) ?? []), line]);
  list(document, "factories", "factory", [...factories], ([name]) => name, (element, [name, members]) => {
    fill(element, { name });
    list(element, "lines", "line", members, (line) => line.key, showLine);
  });
}

function showTables(now) {
  const dead = now.outbox.records.dead ?? 0;
  list(document, "dead_letters", "dead_letter", now.dead_letters, (letter) => letter.key, (row, letter) =>
    fill(row, { when: clock(letter.at), line: letter.line, kind: letter.kind, key: letter.key, error: letter.error }));
  list(document, "notices", "notice", now.notices, (_, place) => place, (row, notice) =>
    fill(row, { when: clock(notice.at), kind: notice.kind, source: notice.source, text: notice.text, address: notice.address }));
  fill(document, {
    no_dead_letters: dead ? (dead > now.dead_letters.length ? `These are the newest of ${dead.toLocaleString("en")}.` : "") : "None.",
    no_notices: now.notices.length ? "" : "None.",
  });
  const totals = [
    ...Object.entries(now.records_total).map(([kind, n]) => [`Records: ${kind}`, n]),
    ["Merged while waiting", now.merged_total],
    ["Rejected payloads", now.rejects_total],
    ["Lost", sum(now.lost_total)],
  ];
  list(document, "totals", "total", totals, ([name]) => name, (element, [name, n]) =>
    fill(element, { name, count: n.toLocaleString("en") }));
}

// The loop

let version = null;

function show(now) {
  if (version !== null && version !== now.version) return location.reload(); // another gateway brings another page
  version = now.version;
  asked = new Date(now.now);
  document.body.classList.remove("silent");
  document.querySelector("main").hidden = false;
  showHeadline(now);
  list(document, "sources", "source", now.sources, (source) => source.name, showSource);
  showOutbox(now);
  showOden(now.oden);
  showLines(now.lines);
  showTables(now);
}

function showSilence() {
  document.body.classList.add("silent");
  document.getElementById("headline").className = "bad";
  list(document, "problems", "problem", [], (text) => text, fill);
  fill(document, {
    headline: "The gateway does not answer.",
    about: version === null ? "" : `What is shown below is what it said at ${clock(asked)}; it may no longer be true.`,
  });
  document.title = "no answer – Oden gateway";
}

async function ask() {
  const answer = await fetch("api/status", { signal: AbortSignal.timeout(PATIENCE) })
    .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`status ${response.status}`))))
    .catch(() => null);
  setTimeout(ask, EVERY);
  if (answer) show(answer);
  else showSilence();
}

ask();
