// Look at pages in a real Chromium: node pages.mjs CHROMIUM ORIGIN COOKIE SHOTS_FOLDER|- PATH...
// Prints one JSON line per page and width: does it overflow, what did it complain about, whom else did it ask.
import { chromium } from "playwright-core";

const [executablePath, origin, login, shots, ...paths] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  for (const [width, height, colorScheme] of [[360, 800, "light"], [1280, 900, "light"], [360, 800, "dark"], [1280, 900, "dark"]]) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    await context.addCookies([{ name: "login", value: login, url: origin }]);
    const page = await context.newPage();
    const complaints = [], foreign = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => { if (!request.url().startsWith(origin)) foreign.push(request.url()); });
    for (const path of paths) {
      complaints.length = foreign.length = 0;
      const answer = await page.goto(origin + path);
      const looked = await page.evaluate(() => ({
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        styled: getComputedStyle(document.querySelector(".bar")).display === "flex",
        unlabelled: [...document.querySelectorAll("input:not([type=hidden]), select")].filter((e) => !e.labels.length).length,
        ground: getComputedStyle(document.body).backgroundColor,
        heading: document.querySelector("h1").innerText,
      }));
      if (shots !== "-") {
        const name = path.replace(/[^a-z0-9]+/gi, "_");
        await page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
      console.log(JSON.stringify({ path, width, colorScheme, status: answer.status(), ...looked, complaints: [...complaints], foreign: [...foreign] }));
    }
    await context.close();
  }
} finally {
  await browser.close();
}
