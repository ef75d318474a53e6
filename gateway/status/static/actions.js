// What can be done on the page: which buttons there are, the token that is asked for once, and what is asked before
// something is given up. The token is kept in this page alone, and forgotten when nobody has used it for a while.
"use strict";

const FORGOTTEN = 10 * 60 * 1000;
const TOKEN_HEADER = "X-Oden-Gateway-Token";

const possible = new Set(); // the actions that the gateway takes from here
let whyNot = ""; // why there are none
let token = "";
let usedAt = 0;

async function learnActions() {
  const answer = await fetch("api/actions").then((response) => (response.ok ? response.json() : null)).catch(() => null);
  possible.clear();
  for (const action of answer?.actions ?? []) possible.add(action);
  whyNot = (answer?.why_not ?? "").replaceAll("`", "");
  show();
}

/** Shows a button below `element` for each of `choices` that is possible here: `{action, text, asked, before}`. */
function offer(element, choices) {
  const shown = isWall ? [] : choices.filter((choice) => possible.has(choice.action));
  list(element, "actions", "action", shown, (choice) => choice.text, (button, choice) => {
    button.textContent = choice.text;
    button.onclick = () => act(choice);
  });
}

/** Does it, after what there is to ask, and says what came of it. */
async function act({ action, text, asked = {}, before }) {
  try {
    if (!(await haveToken())) return;
    const more = before ? await before() : {};
    if (more === null) return;
    say(DONE[action](await send(action, { ...asked, ...more })));
  } catch (error) {
    say(`${text.replace("…", "")}: ${error.message}`);
  }
}

/** The gateway's answer; raises Error with its sentence where it has not done it. */
async function send(action, asked) {
  const response = await fetch(`api/actions/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", [TOKEN_HEADER]: token },
    body: JSON.stringify(asked),
  }).catch(() => { throw new Error("the gateway does not answer; what became of this is not known."); });
  const answer = await response.json().catch(() => ({ error: `the gateway answered ${response.status}.` }));
  if (response.status === 401) token = "";
  if (!response.ok) throw new Error(answer.error);
  usedAt = Date.now();
  return answer;
}

/** What was done, in a sentence. */
const DONE = {
  retry: retried,
  retry_all: retried,
  drop: (answer) => `Given up: ${givenUp(answer)}.`,
  settle: (answer) => `${answer.settled} is settled.`,
  acknowledge: () => "The report of the damage is acknowledged.",
  pause: (answer) => `Delivery is paused, by ${answer.paused.by}.`,
  resume: () => "Delivery goes on.",
};

function retried(answer) {
  const hopeless = answer.hopeless ? ` ${count(answer.hopeless, "record", "records")} cannot be sent any more: drop them.` : "";
  return `${count(answer.retried, "record", "records")} will be sent once more.${hopeless}`;
}

function givenUp(answer) {
  const others = answer.dependents ? `, and ${count(answer.dependents, "record that depends on it", "records that depend on it")}` : "";
  return count(answer.letters, "dead letter", "dead letters") + others;
}

// What is offered

const PAUSE = {
  action: "pause",
  text: "Pause delivery…",
  before: async () => {
    const reason = await question("Pause delivery?", "Nothing is sent to Oden until somebody resumes, also after a restart. What the plant says is kept.", "Pause", "Why, for whoever finds it paused");
    return reason === null ? null : { reason: reason.slice(0, 200) };
  },
};
const RESUME = { action: "resume", text: "Resume delivery" };

/** By the kind of a problem, what helps. */
const HELP = {
  delivery_paused: [RESUME],
  dead_letters: [{ action: "retry_all", text: "Retry all" }],
  outbox_damaged: [{ action: "acknowledge", text: "Acknowledge" }],
};

/** What can be done with a dead letter. */
function choicesFor(letter) {
  const asked = { keys: [letter.key] };
  const drop = {
    action: "drop",
    text: "Drop…",
    asked,
    before: async () => {
      const would = await send("drop", { ...asked, dry: true });
      return (await question("Give it up?", `This gives up ${givenUp(would)}. They will never be at Oden.`, "Drop")) === null ? null : {};
    },
  };
  if (!letter.unsettled) return [{ action: "retry", text: "Retry", asked }, drop];
  const found = async () => {
    const id = await question("It is at Oden", `${letter.about}: under which id have you found it there?`, "Settle", "Id at Oden");
    return id ? { oden_id: id } : null;
  };
  const absent = async () => ((await question("It is not at Oden?", `${letter.about}: it is sent. If it is there after all, it will be there twice.`, "Send it")) === null ? null : {});
  return [
    { action: "retry", text: "Look it up again", asked },
    { action: "settle", text: "It is at Oden…", asked, before: found },
    { action: "settle", text: "It is not there…", asked, before: absent },
  ];
}

// What is asked

async function haveToken() {
  if (Date.now() - usedAt > FORGOTTEN) token = "";
  if (!token) token = (await question("Who may change something has a token", "It is `status.actions_token` of the configuration. This page forgets it after ten minutes without use.", "Go on", "Token", "password")) ?? "";
  usedAt = Date.now();
  return token !== "";
}

/** Asks; answers with what was typed, with "" where nothing was to be typed, with null where it is not wanted. */
function question(title, text, yes, label = "", type = "text") {
  const dialog = document.getElementById("question");
  const input = dialog.querySelector("input");
  fill(dialog, { title, text, yes, label });
  input.type = type;
  input.value = "";
  input.hidden = !label;
  return new Promise((resolve) => {
    const end = (answer) => { dialog.close(); input.value = ""; resolve(answer); };
    dialog.oncancel = (event) => { event.preventDefault(); end(null); };
    dialog.querySelector(".yes").onclick = () => end(input.value.trim());
    dialog.querySelector(".no").onclick = () => end(null);
    input.onkeydown = (event) => { if (event.key === "Enter") end(input.value.trim()); };
    dialog.showModal();
    (label ? input : dialog.querySelector(".no")).focus();
  });
}

function say(text) {
  fill(document, { done: text });
  const box = document.querySelector(".done");
  clearTimeout(box.timer);
  box.timer = setTimeout(() => fill(document, { done: "" }), 15000);
}
