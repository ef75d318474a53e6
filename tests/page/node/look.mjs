// Looks at the status page in a real browser. Reads a list of views as JSON from standard input: {name, url, width,
// height, scheme, zone?, script?, picture?}. Writes what each shows as a list of JSON objects: {name, errors, violations, small,
// overflow, foreign, result}. `script` is one of SCRIPTS below, `picture` a file for a screenshot.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 120000;

/** What a person does on the page; answers with what is then seen. */
const SCRIPTS = {
  /** By the keyboard alone: the way past the head, a filter, the field, and back. */
  async keyboard(page) {
    const seen = {};
    await page.keyboard.press("Tab");
    seen.first = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Enter");
    seen.skipped = await page.evaluate(() => document.activeElement.id);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    seen.outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    await page.keyboard.press("Enter");
    seen.pressed = await page.locator('.tallies [aria-pressed="true"] span').textContent();
    seen.filtered = await page.locator(".lines article").count();
    await page.keyboard.press("/");
    await page.keyboard.type("line 02");
    seen.found = await page.locator(".lines article h3").allTextContents();
    await page.keyboard.press("Escape");
    seen.all = await page.locator(".lines article").count();
    return seen;
  },

  /** A dead letter is tried again, with a wrong token, then with the right one; another is given up; nothing by Esc. */
  async actions(page) {
    const seen = {};
    const done = page.locator(".done");
    const type = async (text) => { await page.keyboard.type(text); await page.keyboard.press("Enter"); };
    await page.getByRole("button", { name: "Retry", exact: true }).first().click();
    seen.asked = await page.locator("dialog").getAttribute("open") !== null;
    seen.field = await page.evaluate(() => document.activeElement.type);
    await type("wrong");
    await done.filter({ hasText: "is another" }).waitFor({ timeout: PATIENCE });
    await page.getByRole("button", { name: "Retry", exact: true }).first().click();
    await type("0123456789abcdef");
    await done.filter({ hasText: "once more" }).waitFor({ timeout: PATIENCE });
    seen.retried = await done.textContent();
    await page.getByRole("button", { name: "Drop…" }).first().click();
    await page.locator("dialog[open]").filter({ hasText: "never be at Oden" }).waitFor({ timeout: PATIENCE });
    seen.warned = await page.locator('dialog [data-text="text"]').textContent();
    seen.focused = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Escape");
    seen.closed = await page.locator("dialog[open]").count() === 0;
    await page.getByRole("button", { name: "Drop…" }).first().click();
    await page.locator("dialog[open]").filter({ hasText: "never be at Oden" }).waitFor({ timeout: PATIENCE });
    await page.locator("dialog .yes").click();
    await done.filter({ hasText: "Given up" }).waitFor({ timeout: PATIENCE });
    await page.getByRole("button", { name: "Pause delivery…" }).click();
    await type("lines are renamed");
    await done.filter({ hasText: "paused" }).waitFor({ timeout: PATIENCE });
    seen.paused = await done.textContent();
    seen.stored = await page.evaluate(() => Object.keys(localStorage).length + Object.keys(sessionStorage).length + document.cookie.length);
    return seen;
  },

  /** Where a pause is seen, and its end. */
  async paused(page) {
    const seen = {};
    await page.getByRole("button", { name: "Resume delivery" }).first().waitFor({ timeout: PATIENCE });
    seen.offered = await page.getByRole("button", { name: "Resume delivery" }).allTextContents();
    seen.mark = await page.locator("#outbox .mark").textContent();
    await page.getByRole("button", { name: "Resume delivery" }).first().click();
    await page.keyboard.type("0123456789abcdef");
    await page.keyboard.press("Enter");
    await page.locator(".done").filter({ hasText: "goes on" }).waitFor({ timeout: PATIENCE });
    seen.done = await page.locator(".done").textContent();
    return seen;
  },

  /** What is said to who does not see, while numbers on the page move. */
  async spoken(page) {
    const said = new Set();
    for (let look = 0; look < 8; look += 1) {
      said.add(await page.locator(".spoken").textContent());
      await page.waitForTimeout(1500);
    }
    return [...said];
  },

  /** What stands below a bar that is up to date, one that is not, and one that is again; and what was asked for. */
  async timeline(page) {
    const asked = [];
    page.on("request", (request) => { if (request.url().includes("timeline")) asked.push(new URL(request.url()).search); });
    const until = page.locator('.lines [data-text="until"]').first();
    await page.locator(".timeline rect").first().waitFor({ state: "attached", timeout: PATIENCE });
    const seen = { fresh: await until.textContent() };
    await page.evaluate("changesAt = Infinity; timelinesHeard.at -= 600; timelinesHeard.revision = 0; show()");
    seen.late = await until.textContent();
    seen.drawn = await page.locator(".timeline").first().evaluate((svg) => Math.max(...[...svg.querySelectorAll("rect")].map((rect) => rect.x.baseVal.value + rect.width.baseVal.value)));
    await page.evaluate("changesAt = 0; show()");
    await until.filter({ hasText: "now" }).waitFor({ timeout: PATIENCE });
    seen.again = await until.textContent();
    seen.asked = asked;
    return seen;
  },

  /** Words that are torn over two rows; texts of lines that cannot be seen whole; and of each line what was made in run and shift, where all of it can be seen. */
  async words(page) {
    return page.evaluate(() => {
      const torn = [];
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const node = texts.currentNode;
        if (!node.parentElement.checkVisibility({ visibilityProperty: true }) || node.parentElement.closest(".spoken, .skip")) continue;
        for (const word of node.textContent.matchAll(/[\p{L}\p{N}]+/gu)) {
          const range = document.createRange();
          range.setStart(node, word.index);
          range.setEnd(node, word.index + word[0].length);
          if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) torn.push(word[0]);
        }
      }
      const made = [...document.querySelectorAll(".lines article")].map((article) => {
        const frame = article.getBoundingClientRect();
        return [...article.querySelectorAll(".made")].filter((part) => {
          const box = part.getBoundingClientRect();
          return box.height > 0 && part.scrollWidth <= part.clientWidth && box.bottom <= frame.bottom && box.bottom <= innerHeight;
        }).map((part) => part.textContent);
      });
      const cut = [...document.querySelectorAll(".lines h3, .lines p")].filter((part) => {
        const [box, frame] = [part.getBoundingClientRect(), part.closest("article").getBoundingClientRect()];
        return box.height > 0 && (part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight + 4 || box.bottom > frame.bottom);
      }).map((part) => part.textContent);
      return { torn, made, cut };
    });
  },

  /** The entries of what is wrong: their sentence, what stands for the others like it, and these once that is opened. */
  async problems(page) {
    const entries = page.locator(".problems > li");
    const seen = [];
    for (const entry of await entries.all()) {
      const more = entry.locator("summary");
      const shown = await more.isVisible();
      const said = { text: await entry.locator('[data-text="text"]').textContent(), more: shown ? await more.textContent() : "" };
      if (shown) await more.click();
      said.others = shown ? await entry.locator('[data-list="others"] > *').allInnerTexts() : [];
      seen.push(said);
    }
    return { entries: seen, tallies: await page.locator(".tallies button").allInnerTexts() };
  },

  /** Since when something is so, and for how long. */
  async times(page) {
    return page.evaluate(() => document.body.innerText.match(/since [^·\n]+ · [^·;\n]+/g));
  },

  /** Of each line its name, and which of its rows can be seen as far as they are written. */
  async rows(page) {
    return page.locator(".lines article").evaluateAll((articles) => articles.map((article) => {
      const frame = article.getBoundingClientRect();
      const seen = [...article.querySelectorAll("h3, p")].filter((part) => part.checkVisibility() && part.getBoundingClientRect().bottom <= frame.bottom);
      return [article.querySelector("[data-text=name]").textContent, seen.map((part) => (part.localName === "h3" ? "h3" : part.className.split(" ")[0]))];
    }));
  },

  /** How each line is coloured, and what stands in it. */
  async lines(page) {
    return page.locator(".lines article").evaluateAll((articles) => articles.map((article) => ({
      tone: article.className,
      edge: getComputedStyle(article).borderLeftColor,
      text: article.innerText,
      gaps: article.querySelectorAll(".timeline .gap").length,
    })));
  },
};

/** Buttons, links and fields that a finger would miss. */
function tooSmall() {
  return [...document.querySelectorAll("a, button, input, summary")]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".skip"))
    .map((element) => [element.textContent || element.id, element.getBoundingClientRect()])
    .filter(([, box]) => box.height > 0 && (box.height < 43.5 || box.width < 43.5))
    .map(([name, box]) => `${name}: ${box.width} x ${box.height}`);
}

async function look(browser, view) {
  const context = await browser.newContext({
    viewport: { width: view.width, height: view.height },
    colorScheme: view.scheme,
    timezoneId: view.zone,
    bypassCSP: true, // for axe, which is put into the page
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const errors = [];
  const foreign = [];
  page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("401")) errors.push(message.text()); });
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => { if (!request.url().startsWith(new URL(view.url).origin)) foreign.push(request.url()); });
  await page.goto(view.url, { timeout: PATIENCE });
  await page.locator(".lines article").first().waitFor({ timeout: PATIENCE });
  if (!view.url.endsWith("/wall")) await page.locator(".chart").first().waitFor({ timeout: PATIENCE });
  await page.waitForLoadState("load");
  if (view.picture) await page.screenshot({ path: view.picture, fullPage: Boolean(view.whole) });
  const result = view.script ? await SCRIPTS[view.script](page) : null;
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const violations = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(" | ")}`);
  const small = await page.evaluate(tooSmall);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await context.close();
  return { name: view.name, errors, violations, small, overflow, foreign, result };
}

const views = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const seen = [];
for (const view of views) seen.push(await look(browser, view));
await browser.close();
process.stdout.write(JSON.stringify(seen));
