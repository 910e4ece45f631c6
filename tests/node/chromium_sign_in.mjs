// Stands in for BROWSER: node chromium_sign_in.mjs URL signs in with a real Chromium, ticks GATEWAY_TICK, approves.
import { chromium } from "playwright-core";

const { CHROMIUM, GATEWAY_PASSWORD, GATEWAY_TICK, GATEWAY_USER } = process.env;
const WAIT = { timeout: 20_000 };
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--no-proxy-server"] });
try {
  const page = await browser.newPage();
  await page.goto(process.argv[2]);
  await page.fill('input[name="username"]', GATEWAY_USER, WAIT);
  await page.fill('input[name="password"]', GATEWAY_PASSWORD, WAIT);
  await page.click('form:has(input[name="username"]) button[type="submit"]', WAIT);
  await page.check(`input[value="${GATEWAY_TICK}"]`, WAIT);
  await page.click('button[name="approve"]', WAIT);
  await page.waitForURL(/\/callback\?/, WAIT);
  console.log(new URL(page.url()).pathname);
} finally {
  await browser.close();
}
