// What a page of another origin gets from a server on the same machine, in a real browser: nothing.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { Starling } from '../src/node.js';
import { chromiumPath } from './chromium.js';
import { startServer } from './helper.js';

const options = { skip: !chromiumPath && !process.env.CI && 'no Chromium found: set CHROMIUM to its path' };

let server;
let site;
let browser;
let page;
before(async () => {
  if (options.skip) return;
  server = await startServer([], { HELIOS__ATLAS__LISTEN: '127.0.0.1:0' });
  site = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<h1>another site</h1>'));
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
});
after(async () => {
  await browser?.close();
  site?.closeAllConnections();
  site?.close();
  await server?.stop();
});

/** Asks the port of the store as a Redis client would. */
const store = (commands) => new Promise((resolve, reject) => {
  const [host, port] = server.store.split(':');
  const socket = connect(Number(port), host, () => socket.write(`${commands}QUIT\r\n`));
  let answer = '';
  socket.on('data', (bytes) => (answer += bytes)).on('end', () => resolve(answer)).on('error', reject);
});

test('a page of another origin neither commands the store nor reads from the server nor changes anything', options, async () => {
  const client = new Starling(server.url);
  after(() => client.disconnect());
  await client.connect();
  await client.request('kv:set', { key: 'secret', value: 1 });
  const got = await page.evaluate(async ({ http, url, store }) => {
    const settled = (promise) => promise.then(async (it) => `${it.type} ${it.type === 'opaque' ? '' : await it.text()}`, () => 'refused');
    const post = (to, body) => settled(fetch(to, { method: 'POST', mode: 'no-cors', body }));
    const opened = new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => resolve('open');
      socket.onerror = () => resolve('refused');
    });
    return {
      store: await post(`http://${store}/`, 'SET hacked yes\r\nDEL kv:secret\r\n'),
      written: await post(`${http}/api/v1/rpc/kv:set`, JSON.stringify({ key: 'hacked', value: 'yes' })),
      put: await settled(fetch(`${http}/api/v1/kv/hacked`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"value":1}' })),
      read: await settled(fetch(`${http}/api/v1/kv/secret`)),
      socket: await opened,
    };
  }, { http: server.http, url: server.url, store: server.store });
  assert.deepEqual([got.put, got.read, got.socket], ['refused', 'refused', 'refused'], JSON.stringify(got));
  assert.equal(await client.request('kv:get', { key: 'hacked' }), null);
  assert.equal((await client.request('kv:get', { key: 'secret' })).value, 1);
  assert.equal(await store('GET hacked\r\nGET kv:secret\r\n'), '$-1\r\n$1\r\n1\r\n+OK\r\n');
});
