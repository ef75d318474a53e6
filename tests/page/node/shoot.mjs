// Takes pictures of pages. Reads a list of shots as JSON from standard input: {url, width, height, scheme, from, tall, scale,
// file}: what is seen from `from` (an element; the top where it is empty) on, `tall` pixels of it, as WebP, `scale` as large.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const require = createRequire(`${process.argv[2]}/`);
const { chromium } = require("playwright-core");

/** The picture as WebP, which the browser itself can write. */
async function webp(page, png, scale) {
  await page.goto("about:blank");
  return page.evaluate(async ([source, scale]) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width * scale;
    canvas.height = image.height * scale;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", 0.8).split(",")[1];
  }, [`data:image/png;base64,${png.toString("base64")}`, scale]);
}

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const shot of JSON.parse(readFileSync(0, "utf8"))) {
  const context = await browser.newContext({ viewport: { width: shot.width, height: shot.height }, colorScheme: shot.scheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(shot.url);
  await page.locator(".lines article").first().waitFor();
  if (!shot.url.endsWith("/wall")) await page.locator(".chart").first().waitFor();
  await page.waitForLoadState("load");
  const y = shot.from ? (await page.locator(shot.from).first().boundingBox()).y : 0;
  const png = await page.screenshot({ fullPage: true, clip: { x: 0, y, width: shot.width, height: shot.tall } });
  writeFileSync(shot.file, Buffer.from(await webp(page, png, shot.scale), "base64"));
  await context.close();
}
await browser.close();
