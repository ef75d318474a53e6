// The status page: listens to what the gateway says of changes (api/changes) and shows it.
"use strict";

const PATIENCE = 30000; // the gateway says something every ten seconds
const AGAIN = 5000; // until a stream that was refused is asked for again
const TIMELINE_RATE = 250; // bytes a second that changes of timelines may take on the average: 22 MB a day
const ASKING = 700; // bytes that a question and the head of its answer take
const AGES = 10000; // between two times that ages are shown anew

document.body.classList.toggle("wall", isWall);

// What is shown of each part

/** Problems of one kind as one entry: the first of them, and the others behind it. */
function grouped(problems) {
  const kinds = new Map();
  for (const problem of problems) kinds.set(problem.kind, [...(kinds.get(problem.kind) ?? []), problem]);
  return [...kinds.values()];
}

function showCommand(element, command) {
  fill(element, { remedy: command, copy: command ? "Copy" : "" });
  keepWords(element.querySelector(".command code"), command ?? "");
  const button = element.querySelector(".command button");
  button.onclick = async () => {
    await copied(command, element.querySelector(".command code"));
    fill(element, { copy: "Copied" });
    setTimeout(() => fill(element, { copy: "Copy" }), 2000);
  };
}

/** A command breaks at its blanks alone: an option that is torn in two would be typed as two. */
function keepWords(code, command) {
  if (code.childElementCount > 0) return; // `fill` has left it as it was
  code.replaceChildren(...command.split(/( )/).map((word) => {
    if (word.trim() === "") return word;
    const whole = document.createElement("span");
    whole.textContent = word;
    return whole;
  }));
}

/** Copies `text`; where the browser does not allow that over plain HTTP, it is selected and copied from `element`. */
async function copied(text, element) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
  }
}

function showHead(head) {
  const level = head.problems.length ? "bad" : head.hints.length || !head.ready ? "warn" : "ok";
  document.getElementById("headline").className = level;
  const others = head.problems.length - 1;
  const about = `Oden gateway ${head.version}, running for ${age(head.started_at)}. As of ${clock(now(), {})}.`;
  fill(document, { headline: head.headline, about: isWall ? `${clock(now(), {})}${others > 0 ? ` · ${count(others, "more problem", "more problems")}` : ""}` : about });
  list(document, "problems", "problem", grouped(head.problems), ([first]) => first.kind, (element, [first, ...rest]) => {
    const isTold = first.text === head.headline; // it stands above already
    fill(element, { text: isTold ? "" : first.text, more: rest.length ? `and ${count(rest.length, "more like it", "more like it")}` : "" });
    element.querySelector("details").hidden = !rest.length;
    list(element, "others", "hint", rest, (problem) => problem.object, (item, problem) => { item.textContent = problem.text; });
    showCommand(element, first.remedy);
    offer(element, HELP[first.kind] ?? []);
  });
  list(document, "hints", "hint", head.problems.length ? head.hints : [], (text) => text, (item, text) => { item.textContent = text; });
  const kinds = JSON.stringify(head.kinds);
  if (kinds !== told) { // not each time that a number in a sentence moves
    told = kinds;
    fill(document, { spoken: head.problems.length ? `${count(head.problems.length, "problem", "problems")}: ${head.problems.map(lasting).join(" ")}` : "All is well." });
  }
  document.title = `${{ ok: "OK", warn: "working", bad: `${head.problems.length} ▲` }[level]} – Oden gateway`;
}

/** What a problem says but for how soon something is tried again: that would be another number each time. */
function lasting(problem) {
  return problem.text.replace(/; tried again [^;.]*\./, ".");
}

/** What a server has made of how tags are watched, by the name of the setting. */
const GRANTED = {
  publishing_interval: "told every {} s",
  sampling: "looked at every {} s",
  queue: "{} values of a tag kept",
  session: "the session kept for {} s",
  keepalive: "a sign of life every {} s",
};

function granted(source) {
  const told = Object.entries(source.granted).filter(([name]) => name in GRANTED).map(([name, [least, most]]) =>
    GRANTED[name].replace("{}", least === most ? least.toLocaleString("en") : `${least.toLocaleString("en")} to ${most.toLocaleString("en")}`));
  return told.length ? `Granted: ${told.join(", ")}.` : "";
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
    granted: granted(source),
  });
  list(element, "failed", "failed", failed, ([address]) => address, (item, [address, why]) => fill(item, { address, why }));
}

function waiting(outbox) {
  const { dead, unsettled, ...others } = outbox.records;
  return sum(others);
}

function showOutbox(outbox) {
  const element = document.getElementById("outbox");
  const { sending = 0, in_doubt = 0, parked = 0, dead = 0, unsettled = 0 } = outbox.records;
  const total = waiting(outbox);
  const drain = outbox.drain_seconds;
  if (outbox.paused_since) mark(element, "warn", `paused ${since(outbox.paused_since)}`);
  else if (dead) mark(element, "warn", count(dead, "dead letter", "dead letters"));
  else if (unsettled) mark(element, "warn", `${unsettled.toLocaleString("en")} may be at Oden`);
  else if (total && drain === null) mark(element, "warn", "not draining");
  else mark(element, "ok", total ? "draining" : "empty");
  offer(element, [outbox.paused_since ? RESUME : PAUSE]);
  const parts = [count(total, "record waits", "records wait")];
  if (sending) parts.push(`${sending.toLocaleString("en")} being sent`);
  if (in_doubt) parts.push(`${in_doubt.toLocaleString("en")} being looked up at Oden`);
  fill(element, {
    fact: total ? parts.join(", ") : "Nothing waits: Oden has everything that was accepted.",
    trouble: parked ? `${count(parked, "record waits", "records wait")} for a dead letter` : "",
    drain: total ? (drain === null ? "not draining" : span(drain)) : "–",
    oldest: outbox.oldest_at ? `${age(outbox.oldest_at)} old` : "–",
    dead: dead.toLocaleString("en"),
    bytes: size(outbox.bytes),
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
  const retry = oden.retry_at ? ` Tries again ${new Date(oden.retry_at) > now() ? `in ${span((new Date(oden.retry_at) - now()) / 1000)}` : "now"}.` : "";
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

function showLetters(letters, dead) {
  list(document, "letters", "letter", letters, (letter) => letter.key, (element, letter) => {
    fill(element, {
      about: letter.about,
      begun: letter.begun_at ? `began ${clock(letter.begun_at, {})}` : "",
      line: `${letter.line}, refused ${clock(letter.at, {})}`,
      error: letter.error,
      waits: letter.parked ? `${count(letter.parked, "record waits", "records wait")} for it.` : "Nothing waits for it.",
    });
    showCommand(element, letter.command);
    offer(element, choicesFor(letter));
  });
  fill(document, { why_no_actions: letters.length ? whyNot : "" });
  fill(document, { no_dead_letters: dead ? (dead > letters.length ? `These are the newest of ${dead.toLocaleString("en")}.` : "") : letters.length ? "" : "None." });
}

function showRejected(rejected) {
  const section = document.getElementById("rejected_section");
  const more = rejected.kept > rejected.newest.length ? ` These are the newest of ${rejected.kept.toLocaleString("en")}.` : "";
  const left = rejected.left_out ? ` ${count(rejected.left_out, "more message", "more messages")} came too fast to be kept.` : "";
  fill(section, { rejected_kept: rejected.kept ? `${count(rejected.kept, "message is", "messages are")} kept.${more}${left}` : `None are kept.${left}` });
  showCommand(section, rejected.kept ? "oden-gateway rejects list" : "");
  list(document, "rejects", "reject", rejected.newest, (reject) => reject.number, (row, reject) =>
    fill(row, { when: clock(reject.at), number: reject.number, source: reject.source, text: reject.reason, address: reject.address }));
}

function showTables(noticed, totals) {
  list(document, "notices", "notice", noticed.notices, (_, place) => place, (row, notice) =>
    fill(row, { when: clock(notice.at), kind: notice.kind, source: notice.source, text: notice.text, address: notice.address }));
  fill(document, { no_notices: noticed.notices.length ? "" : "None." });
  const sums = [
    ...Object.entries(totals.records_total).map(([kind, n]) => [`Records: ${kind}`, n]),
    ["Merged while waiting", totals.merged_total],
    ["Rejected payloads", totals.rejects_total],
    ["Lost", sum(totals.lost_total)],
  ];
  list(document, "totals", "total", sums, ([name]) => name, (element, [name, n]) =>
    fill(element, { name, count: n.toLocaleString("en") }));
}

// The loop

const parts = new Map(); // what the gateway has said, by the name of the part
let version = null;
let told = null; // the problems that were spoken of last
let heardAt = 0;
let stream = null;

function members(prefix) {
  return [...parts].filter(([name]) => name.startsWith(prefix)).map(([, part]) => part);
}

function show() {
  const head = parts.get("head");
  if (!head) return;
  if (version !== null && version !== head.version) return location.reload(); // another gateway brings another page
  version = head.version;
  if (process !== head.started_at) timelinesHeard.revision = -1;
  process = head.started_at;
  document.body.classList.remove("silent");
  document.querySelector("main").hidden = false;
  followTimelines(members("line/"));
  followTrend();
  showHead(head);
  showLines(members("line/"));
  if (isWall) return;
  list(document, "sources", "source", members("source/"), (source) => source.name, showSource);
  showOutbox(parts.get("outbox"));
  showOden(parts.get("oden"));
  showLetters(parts.get("refused").letters, parts.get("outbox").records.dead ?? 0);
  showRejected(parts.get("rejected"));
  showTables(parts.get("noticed"), parts.get("totals").since_start);
  for (const element of document.querySelectorAll("details.inputs[open]")) element.ontoggle();
}

function take(said) {
  heardAt = Date.now();
  ahead = said.now * 1000 - heardAt;
  for (const [name, fields] of Object.entries(said.parts)) {
    if (fields === null) parts.delete(name);
    else parts.set(name, { ...parts.get(name), ...fields });
  }
  show();
}

/** Asks for all timelines at first, and then for what of them has changed, as soon as their share of the rate allows. */
async function followTimelines(all) {
  const isAll = timelinesHeard.revision < 0;
  if (isAsking || (isWall && all.length > 2)) return; // the wall shows them where it has room
  if (Date.now() < (isAll ? wholeAt : changesAt) || !all.some((line) => line.revision > timelinesHeard.revision)) return;
  isAsking = true;
  const [of, at] = [process, now() / 1000];
  const response = await fetch(`api/timeline${isAll ? "" : `?since=${timelinesHeard.revision}`}`).catch(() => null);
  const answer = response?.ok ? await response.json().catch(() => null) : null;
  isAsking = false;
  const took = ASKING + Number(response?.headers.get("Content-Length") ?? 0); // packed, as it came
  const next = Date.now() + took / TIMELINE_RATE * 1000;
  if (isAll) wholeAt = next;
  else changesAt = next;
  if (!answer || of !== process) return;
  takeTimelines(answer, at, isAll);
  showLines(members("line/"));
}

let wholeAt = 0; // not before then are all timelines asked for again
let changesAt = 0; // nor what has changed of them
let process = null; // the gateway's, which counts revisions
let isAsking = false;

function showSilence() {
  if (document.body.classList.contains("silent")) return;
  document.body.classList.add("silent");
  document.getElementById("headline").className = "bad";
  list(document, "problems", "problem", [], (text) => text, fill);
  fill(document, {
    headline: "The gateway does not answer.",
    spoken: "The gateway does not answer.",
    about: version === null ? "" : `What is shown below is what it said at ${clock(new Date(heardAt + ahead))}; it may no longer be true.`,
  });
  told = null;
  document.title = "no answer – Oden gateway";
}

function listen() {
  stream?.close();
  stream = new EventSource("api/changes");
  stream.onopen = () => { // the first message says everything
    learnActions();
    parts.clear();
  };
  stream.onmessage = (event) => take(JSON.parse(event.data));
  stream.onerror = () => {
    showSilence();
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  };
}

setInterval(() => {
  if (Date.now() - heardAt > PATIENCE) {
    showSilence();
    if (stream.readyState === EventSource.OPEN) listen(); // a cut that nobody was told of
  } else show();
}, AGES);

document.getElementById("find").oninput = (event) => {
  wanted = event.target.value;
  showLines(members("line/"));
};

document.addEventListener("keydown", (event) => {
  const find = document.getElementById("find");
  if (event.key === "/" && document.activeElement !== find) {
    event.preventDefault();
    find.focus();
  } else if (event.key === "Escape") {
    only = "";
    wanted = find.value = "";
    show();
  }
});

listen();
