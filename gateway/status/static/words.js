// Puts texts on the page, and makes texts of numbers and times.
// Every text goes through textContent: values come from PLCs and messages and are never taken for markup.
"use strict";

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

/** A name between others in one text: one that is written from right to left, or turns what follows it, keeps to itself. */
function apart(name) {
  return /[\u0590-\u08ff\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name;
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

let ahead = 0; // by how many milliseconds the gateway's clock is ahead of this browser's: ages go by the gateway's

/** The time at the gateway. */
function now() {
  return new Date(Date.now() + ahead);
}

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
  return span((now() - new Date(time)) / 1000);
}

/** The time of day where the browser is, with the day where that is not today. */
function clock(time, precision = { second: "2-digit" }) {
  const at = new Date(time);
  const day = at.toDateString() === now().toDateString() ? {} : { month: "short", day: "numeric" };
  return at.toLocaleString("en", { ...day, hour: "2-digit", minute: "2-digit", ...precision, hourCycle: "h23" });
}

function since(time) {
  return time ? `since ${clock(time, {})} · ${age(time)}` : "";
}

function size(bytes) {
  const mib = bytes / 2 ** 20;
  return mib < 1 ? `${Math.ceil(bytes / 1024)} KiB` : `${mib.toFixed(mib < 10 ? 1 : 0)} MiB`;
}
