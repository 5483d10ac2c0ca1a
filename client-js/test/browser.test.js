// The playground and the bundle in a real browser.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Starling } from '../src/node.js';
import { chromiumPath } from './chromium.js';
import { root, startServer } from './helper.js';

// On CI a missing browser is a failure; on a developer's machine it is said and passed over.
const options = { skip: !chromiumPath && !process.env.CI && 'no Chromium found: set CHROMIUM to its path' };
const artifacts = join(root, 'artifacts');

let server;
let browser;
let page;
const problems = [];
before(async () => {
  if (options.skip) return;
  assert.ok(chromiumPath, 'no Chromium found: install one or set CHROMIUM to its path');
  mkdirSync(artifacts, { recursive: true });
  server = await startServer();
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(server.http)) problems.push(`a request left for ${request.url()}`);
  });
  await page.goto(server.http);
  await page.waitForSelector('#state[data-state=connected]');
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const answer = async (kind) => {
  await page.waitForSelector(`#answer[data-kind=${kind}]`);
  return page.textContent('#answer');
};

async function call(method, payload) {
  await page.click(`#methods button:text-is("${method}")`);
  if (payload !== undefined) await page.fill('#payload', payload);
  await page.click('#send');
}

test('methods are listed and called with a form', options, async () => {
  await page.waitForSelector('#methods button:text-is("system:ping")');
  await call('demo:echo', '{"hello":"browser"}');
  assert.deepEqual(JSON.parse(await answer('success')), { hello: 'browser' });
  assert.match(await page.textContent('#timing'), /^\d+\.\d ms$/);
  await page.click('#methods button:text-is("demo:slow")');
  await page.fill('#fields input[name=ms]', '1');
  await page.fill('#fields input[name=value]', '"from a field"');
  assert.deepEqual(JSON.parse(await page.inputValue('#payload')), { ms: 1, value: 'from a field' });
  await page.click('#send');
  await page.waitForFunction(() => document.getElementById('answer').textContent.includes('from a field'));
});

test('progress is drawn', options, async () => {
  await call('demo:progress', '{"steps":4,"stepMs":20}');
  await answer('success');
  assert.equal(await page.getAttribute('#progress progress', 'max'), '100');
  assert.equal(await page.$eval('#progress progress', (bar) => bar.value), 100);
  assert.match(await page.textContent('#progress-text'), /100 % done/);
});

test('errors and wrong payloads are shown', options, async () => {
  await call('demo:fail', '{"code":"APP_SHOWN"}');
  assert.match(await answer('error'), /^APP_SHOWN: This method always fails/);
  await page.fill('#payload', '{');
  await page.click('#send');
  assert.match(await page.textContent('#problem'), /not JSON/);
});

test('frames go both ways with their time', options, async () => {
  await page.click('#clear');
  await call('demo:callme');
  await answer('success');
  const directions = await page.$$eval('#frames li', (rows) =>
    rows.filter((row) => !row.textContent.includes('starling:ack')).map((row) => row.dataset.direction));
  assert.deepEqual(directions, ['out', 'in', 'out', 'in']);
  assert.match(await page.textContent('#frames li:last-child time'), /ms$/);
  assert.match(await page.textContent('#frames'), /"success":true/);
});

test('the cable is cut and the session goes on, and so it does after a reload', options, async () => {
  await page.waitForFunction(() => /can come back/.test(document.getElementById('session').textContent));
  const id = await page.getAttribute('#session', 'title');
  await call('demo:slow', '{"ms":300,"value":"it went on"}');
  await page.click('#cut');
  await page.waitForFunction(() => /came back, \d+ sent again/.test(document.getElementById('session').textContent));
  await page.waitForFunction(() => document.getElementById('answer').textContent.includes('it went on'));
  assert.equal(await page.getAttribute('#session', 'title'), id);
  await page.reload();
  await page.waitForFunction(() => /came back/.test(document.getElementById('session').textContent));
  assert.equal(await page.getAttribute('#session', 'title'), id);
});

test('the keyboard is enough', options, async () => {
  await page.focus('#method');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('demo:echo');
  await page.focus('#payload');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('"typed"');
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(() => document.getElementById('answer').textContent === '"typed"');
});

test('the compact codec works in a browser', options, async () => {
  await page.selectOption('#codec', 'msgpack');
  await page.waitForSelector('#state[data-state=connected]');
  await call('demo:echo', '[1,2]');
  await page.waitForFunction(() => document.getElementById('answer').textContent.replace(/\s/g, '') === '[1,2]');
});

test('it is kept as pictures, light and dark', options, async () => {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(artifacts, `playground-${colorScheme}.png`) });
  }
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!wide, 'nothing sticks out on a phone');
});

test('the live page shows topics, rates, members and messages', options, async () => {
  const live = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  live.on('pageerror', (error) => problems.push(error.message));
  live.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.click('a[href="/live"]', { trial: true });
  await live.goto(`${server.http}/live`);
  await live.waitForSelector('#members li');
  assert.match(await live.textContent('#members'), /\(this page\)/);
  await live.fill('#data', '{"text":"from the page"}');
  await live.click('#send');
  await live.waitForFunction(() => document.getElementById('tail').textContent.includes('from the page'));
  await live.waitForFunction(() => /delivered to \d/.test(document.getElementById('delivered').textContent));
  const other = new Starling(server.url);
  await other.connect();
  await other.subscribe('demo:lobby').ready;
  await live.waitForFunction(() => document.querySelectorAll('#members li').length === 2);
  const many = setInterval(() => other.state === 'connected' && other.publish('demo:other', { n: 1 }).catch(() => {}), 20);
  await live.waitForFunction(() => Number(document.getElementById('publications-now').textContent) > 5);
  await live.waitForFunction(() => [...document.querySelectorAll('#topics tr')].some((row) => row.textContent.includes('demo:other')));
  assert.equal(await live.$eval('#publications path', (path) => path.getAttribute('d').startsWith('M')), true);
  await live.click('#topics button:text-is("demo:other")');
  assert.equal(await live.inputValue('#topic'), 'demo:other');
  clearInterval(many);
  await live.screenshot({ path: join(artifacts, 'live.png') });
  await live.emulateMedia({ colorScheme: 'dark' });
  await live.screenshot({ path: join(artifacts, 'live-dark.png') });
  other.disconnect();
  await live.close();
});

test('universes are forked, edited, compared and merged on their page', options, async () => {
  const trees = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  trees.on('pageerror', (error) => problems.push(error.message));
  trees.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await trees.goto(`${server.http}/universes`);
  const other = new Starling(server.url);
  await other.connect();
  const edit = async (state) => {
    await trees.fill('#json', JSON.stringify(state));
    await trees.click('#save');
    await trees.waitForFunction(() => document.getElementById('done').textContent === 'Saved.');
  };
  const chosen = () => trees.getAttribute('[role=treeitem][aria-selected=true]', 'data-id');
  await trees.click('#create');
  await trees.waitForFunction(() => document.getElementById('json').value.includes('hello'));
  const base = await chosen();
  await edit({ hello: 'world', score: 1, list: [1] });
  await trees.click('#fork');
  await trees.waitForFunction((base) => document.querySelector('[aria-selected=true]')?.dataset.id !== base, base);
  const fork = await chosen();
  assert.equal(await trees.getAttribute(`[data-id="${fork}"]`, 'aria-level'), '2');
  await edit({ hello: 'fork', score: 2, list: [1] });
  await trees.waitForFunction(() => document.getElementById('differences').textContent === '2 differences');
  await other.request('universe:update', { universe: base, updates: { score: 7, more: true } });
  await trees.waitForFunction(() => document.getElementById('differences').textContent === '3 differences');
  await trees.focus(`[data-id="${base}"]`);
  await trees.keyboard.press('Enter');
  await trees.waitForFunction(() => document.getElementById('json').value.includes('"score": 7'));
  await trees.selectOption('#other', fork);
  await trees.waitForFunction(() => document.querySelectorAll('#diff tbody tr').length === 3);
  await trees.click('#merge');
  await trees.waitForSelector('#conflicts fieldset');
  assert.equal(await trees.textContent('#conflicts legend'), '/score');
  await trees.screenshot({ path: join(artifacts, 'universes.png') });
  await trees.check('#conflicts input[value=theirs]');
  await trees.click('#resolve');
  await trees.waitForFunction(() => document.getElementById('json').value.includes('"fork"'));
  const { state } = await other.request('universe:get', { universe: base });
  assert.deepEqual(state, { hello: 'fork', score: 2, list: [1], more: true });
  await trees.click('#history button');
  await trees.waitForFunction(() => document.getElementById('done').textContent === 'Restored.');
  await trees.fill('#json', 'not json');
  await trees.click('#save');
  await trees.waitForSelector('#problem:not([hidden])');
  await trees.emulateMedia({ colorScheme: 'dark' });
  await trees.screenshot({ path: join(artifacts, 'universes-dark.png') });
  await other.request('universe:delete', { universe: base });
  await trees.waitForFunction(() => document.getElementById('chosen-title').textContent === 'No universe chosen');
  await trees.setViewportSize({ width: 390, height: 844 });
  const wide = await trees.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!wide, 'nothing sticks out on a phone');
  other.disconnect();
  await trees.close();
});

test('jobs are enqueued, worked on, watched, failed and replayed on their page', options, async () => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(`${server.http}/jobs`);
  await page.waitForSelector('#state[data-state=connected]');
  await page.click('#work');
  await page.waitForFunction(() => document.getElementById('working').textContent === 'this page works');
  await page.fill('#payload', '{"steps": 8, "stepMs": 60}');
  await page.click('#send');
  await page.waitForFunction(() => Number(document.querySelector('#running progress')?.getAttribute('value') ?? 0) >= 25);
  assert.match(await page.textContent('#running .said'), /% step \d of 8 · page-/);
  await page.waitForFunction(() => [...document.querySelectorAll('#events li')].some((row) => row.textContent.includes('acked')));
  await page.waitForFunction(() => document.querySelector('#queues tbody tr td:nth-child(5)')?.textContent === '1');
  // A failure with its history, and again.
  await page.fill('#payload', '{"steps": 2, "stepMs": 10, "fail": true}');
  await page.click('#send');
  await page.waitForFunction(() => document.querySelector('#list .bad')?.textContent === 'attempt 3 was to fail', null, { timeout: 30000 });
  await page.click('#list summary');
  assert.equal(await page.$$eval('#list ol li', (rows) => rows.length), 3);
  await page.screenshot({ path: join(artifacts, 'jobs.png') });
  await page.click('#replay');
  await page.waitForFunction(() => document.querySelectorAll('#list > li').length === 0);
  await page.fill('#payload', '{"steps": 1000, "stepMs": 50}');
  await page.click('#send');
  await page.waitForFunction(() => document.querySelector('#running .said')?.textContent.includes('of 1000'));
  await page.click('#running button');
  await page.selectOption('#status', 'CANCELLED');
  await page.waitForFunction(() => document.querySelectorAll('#list > li').length === 1);
  await page.fill('#cron', 'nonsense');
  await page.click('#set');
  await page.waitForFunction(() => document.getElementById('problem').textContent.includes('/cron: has 1 fields'));
  await page.fill('#cron', '0 3 * * *');
  await page.click('#set');
  await page.waitForFunction(() => document.querySelector('#schedules li')?.textContent.startsWith('0 3 * * * demo.work, next'));
  await page.click('#work');
  await page.waitForFunction(() => document.getElementById('working').textContent === 'nobody works here');
  await page.setViewportSize({ width: 390, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it fits a phone');
  await page.screenshot({ path: join(artifacts, 'jobs-dark.png') });
  await page.emulateMedia({ colorScheme: 'light' });
});

test('nothing went wrong and nothing came from elsewhere', options, () => {
  assert.deepEqual(problems, []);
});

test('a copied tab refreshes with the other, and neither is logged out', options, async () => {
  const log = (which) => async (target, name) => target.evaluate(async ([which, name]) => {
    const { Starling } = await import('/helios.js');
    const client = new Starling(`ws://${location.host}/ws`, { storage: sessionStorage });
    window.account = client.account;
    await client.connect();
    if (which === 'first') {
      await client.account.register(name, 'correct horse');
      await client.account.login(name, 'correct horse');
    }
    return client.account.user?.username ?? null;
  }, [which, name]);
  const context = await browser.newContext();
  const [first, copy] = [await context.newPage(), await context.newPage()];
  await Promise.all([first, copy].map((target) => target.goto(server.http)));
  assert.equal(await log('first')(first, 'tab-user'), 'tab-user');
  // What the browser does when a tab is copied.
  const kept = await first.evaluate(() => JSON.stringify({ ...sessionStorage }));
  await copy.evaluate((kept) => Object.entries(JSON.parse(kept)).filter(([key]) => key.includes(':account:')).forEach(([key, value]) => sessionStorage.setItem(key, value)), kept);
  assert.equal(await log('copy')(copy), 'tab-user');
  const token = (target) => target.evaluate(() => window.account.login_?.refreshToken);
  for (let round = 0; round < 3; round += 1) {
    const before = await token(first);
    const refresh = (target) => target.evaluate(() => window.account.refresh().catch((error) => error.message));
    await Promise.all([refresh(first), refresh(copy)]);
    await copy.waitForFunction((before) => window.account.login_ && window.account.login_.refreshToken !== before, before);
    await first.waitForFunction((before) => window.account.login_ && window.account.login_.refreshToken !== before, before);
    assert.equal(await token(first), await token(copy));
  }
  for (const target of [first, copy]) assert.equal(await target.evaluate(async () => (await window.account.me()).username), 'tab-user');
  await context.close();
});
