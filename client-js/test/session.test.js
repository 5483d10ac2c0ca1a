// Sessions: the client loses its connection, and nobody notices.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { Starling } from '../src/node.js';
import { cable } from './cable.js';
import { startServer, until } from './helper.js';

let server;
const open = [];
const cables = [];
before(async () => {
  server = await startServer();
});
afterEach(async () => {
  open.splice(0).forEach((client) => client.disconnect());
  for (const line of cables.splice(0)) await line.close();
});
after(() => server.stop());

const fast = { backoffMin: 5, backoffMax: 20 };

async function wired(options = {}, port = server.port) {
  const line = await cable(port);
  cables.push(line);
  const client = new Starling(line.url, { ...fast, ...options });
  open.push(client);
  const token = client.session && client.events.once('token');
  await client.connect();
  await token;
  return { client, line };
}

async function cutAndBack(client, line) {
  const recovered = client.events.once('recovered');
  line.cut();
  return recovered;
}

for (const options of [{}, { codec: 'msgpack' }]) {
  test(`twenty cuts with ${JSON.stringify(options)}: nothing is missing, nothing comes twice`, async () => {
    const { client, line } = await wired(options);
    const id = client.session.id;
    const seen = [];
    client.on('news', (n) => seen.push(n));
    for (let round = 0; round < 20; round += 1) {
      const answered = client.request('demo:topic', { topic: 'news', data: round });
      const recovered = await cutAndBack(client, line);
      assert.deepEqual([recovered.recovered, recovered.same, recovered.session], [true, true, id], `${round}: ${recovered.reason}`);
      assert.deepEqual(await answered, { sent: true });
      client.notify('demo:said', round);
    }
    assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), Array.from({ length: 20 }, (_, n) => n));
    assert.deepEqual(seen, Array.from({ length: 20 }, (_, n) => n));
    assert.equal(client.requests.pending.size, 0);
  });
}

test('a cut at any byte of a call, in both directions', async () => {
  const { client, line } = await wired();
  const seen = [];
  client.on('news', (n) => seen.push(n));
  let number = 0;
  for (const way of ['up', 'down']) {
    for (let at = 1; at < 320; at += 9) {
      line.limits[way] = at;
      client.notify('demo:said', number);
      assert.deepEqual(await client.request('demo:topic', { topic: 'news', data: number }), { sent: true });
      number += 1;
    }
  }
  const all = Array.from({ length: number }, (_, n) => n);
  assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), all);
  await until('all have come', () => seen.length >= number);
  assert.deepEqual(seen, all);
});

test('a request that is under way goes on, and so does one of the server', async () => {
  const { client, line } = await wired();
  client.method('page:slow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return 'from the page';
  });
  const slow = client.request('demo:slow', { ms: 100, value: 'done' });
  const called = client.request('demo:callme', { method: 'page:slow' });
  await client.request('demo:echo', 1);
  await cutAndBack(client, line);
  assert.equal(await slow, 'done');
  assert.equal(await called, 'from the page');
});

test('states and events tell of it', async () => {
  const { client, line } = await wired();
  const told = [];
  for (const name of ['state', 'recovering', 'recovered', 'disconnected']) client.events.on(name, (event) => told.push(name === 'state' ? event : name));
  const connected = client.events.once('connected');
  await cutAndBack(client, line);
  await connected;
  assert.deepEqual(told, ['connecting', 'disconnected', 'recovering', 'recovered', 'connected']);
});

test('a message counts as handled once its handler is done', async () => {
  const { client } = await wired();
  let finish;
  client.on('slow', () => new Promise((resolve) => {
    finish = resolve;
  }));
  await client.request('demo:topic', { topic: 'slow' });
  const { position } = client.session;
  await client.request('demo:echo', 1);
  assert.equal(client.session.position, position, 'the handler is not done');
  finish();
  await until('it is', () => client.session.position === client.session.seen);
});

function memory() {
  const items = new Map();
  return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value), removeItem: (key) => items.delete(key), items };
}

test('with a storage the session survives a reload', async () => {
  const storage = memory();
  const first = new Starling(server.url, { ...fast, storage });
  const token = first.events.once('token');
  await first.connect();
  await token;
  const { id } = first.session;
  await first.request('demo:topic', { topic: 'news', data: 1 });
  await first.request('starling:set', { name: 'cart', value: [1] });
  const again = first.request('demo:later', { topic: 'late', data: 'missed', delayMs: 1 });
  await again;
  first.disconnect();
  const second = new Starling(server.url, { ...fast, storage });
  open.push(second);
  const seen = [];
  second.on('late', (data) => seen.push(data));
  const news = [];
  second.on('news', (data) => news.push(data));
  const recovered = second.events.once('recovered');
  await second.connect();
  assert.deepEqual([(await recovered).recovered, second.session.id], [true, id]);
  assert.deepEqual(await second.request('starling:get', { name: 'cart' }), { value: [1] });
  assert.deepEqual(news, [], 'the first page has handled it');
  await second.end();
  assert.equal(storage.items.size, 0);
  const third = new Starling(server.url, { ...fast, storage });
  open.push(third);
  await third.connect();
  await until('it is greeted', () => third.session.id);
  assert.notEqual(third.session.id, id);
});

test('a tab that was copied gets a session of its own', async () => {
  const { client, line } = await wired();
  await cutAndBack(client, line);
  const copy = new Starling(line.url, { ...fast, storage: memory() });
  open.push(copy);
  copy.session.kept = { ...client.session.kept };
  const recovered = copy.events.once('recovered');
  await copy.connect();
  assert.deepEqual([(await recovered).recovered, (await recovered).reason], [false, 'in_use']);
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('tokens are refreshed before they end, one at a time', async () => {
  const short = await startServer([], { HELIOS__TOKENS__LIFETIME: '1s' });
  const { client } = await wired({}, short.port);
  const first = client.session.token;
  await Promise.all([client.session.refresh(), client.session.refresh()]);
  await client.events.once('token');
  assert.notEqual(client.session.token, first);
  await short.stop();
});

test('a hidden page asks for no token until it is seen', async () => {
  const { client } = await wired();
  globalThis.document = { hidden: true };
  try {
    client.session.kept.refreshAt = 0;
    let asked = false;
    client.events.on('token', () => {
      asked = true;
    });
    client.session.schedule();
    await client.request('demo:echo', 1);
    assert.equal(asked, false);
    globalThis.document.hidden = false;
    const token = client.events.once('token');
    client.woken();
    await token;
  } finally {
    delete globalThis.document;
  }
});

test('a machine that wakes up does not wait for the next attempt', async () => {
  const { client, line } = await wired({ backoffMin: 20_000, backoffMax: 20_000, random: () => 1 });
  const lost = client.events.once('disconnected');
  line.cut();
  await lost;
  const recovered = client.events.once('recovered');
  client.woken();
  assert.equal((await recovered).recovered, true);
});

test('a server that is killed is gone on with, and nothing runs twice', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'helios-kill-'));
  const start = () => startServer(['--data-dir', dir]);
  let target = await start();
  const { client, line } = await wired({}, target.port);
  const id = client.session.id;
  for (let round = 0; round < 5; round += 1) {
    const calls = Array.from({ length: 10 }, () => client.request('kv:increment', { key: 'n' }).catch((error) => error));
    target.signal('SIGKILL');
    await target.exited;
    target = await start();
    line.lead(target.port);
    line.cut();
    const answers = await Promise.all(calls);
    for (const error of answers.filter((it) => it instanceof Error)) assert.equal(error.code, 'REQUEST_INTERRUPTED');
    const { value } = await client.request('kv:get', { key: 'n' });
    const counted = answers.filter((it) => !(it instanceof Error)).map((it) => it.value);
    assert.equal(new Set(counted).size, counted.length, 'no call ran twice');
    assert.ok(value <= (round + 1) * 10);
    assert.equal(client.session.id, id);
  }
  client.disconnect();
  await target.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('a server that has forgotten everything: what may be asked again is, the rest fails', async () => {
  const first = await startServer();
  const { client, line } = await wired({}, first.port);
  const again = client.request('demo:slow', { ms: 300, value: 'again' }, { idempotent: true });
  const failed = assert.rejects(client.request('demo:slow', { ms: 300 }), { code: 'CONNECTION_LOST', retryable: true });
  await client.request('demo:echo', 1);
  await first.stop();
  const second = await startServer();
  line.lead(second.port);
  const recovered = await cutAndBack(client, line);
  assert.deepEqual([recovered.recovered, recovered.same, recovered.reason], [false, false, 'unknown_key']);
  await failed;
  assert.equal(await again, 'again');
  client.disconnect();
  await second.stop();
});

test('without extensions the token goes into the URL', async () => {
  const { client, line } = await wired({ extensions: false });
  const slow = client.request('demo:slow', { ms: 50, value: 'late' });
  await client.request('demo:echo', 1);
  const recovered = await cutAndBack(client, line);
  assert.equal(recovered.recovered, true);
  assert.equal(await slow, 'late');
});

test('without a session nothing is kept', async () => {
  const { client, line } = await wired({ session: false });
  const lost = assert.rejects(client.request('demo:slow', { ms: 5_000 }), { code: 'CONNECTION_LOST' });
  await client.request('demo:echo', 1);
  line.cut();
  await lost;
  assert.equal(client.session, null);
});

test('a listener may disconnect at any moment', async () => {
  for (const name of ['recovering', 'hello', 'recovered', 'connected', 'state']) {
    const { client, line } = await wired();
    const off = client.events.on(name, (event) => {
      if (name === 'state' && event !== 'connected') return;
      off();
      client.disconnect();
    });
    line.cut();
    await until(`it is off by ${name}`, () => client.state === 'disconnected');
    assert.equal(client.connection.socket, null, name);
    await client.connect();
    assert.equal(await client.request('demo:echo', name), name);
    client.disconnect();
  }
});

test('what waited goes before what listeners send', async () => {
  const client = new Starling(server.url, fast);
  open.push(client);
  client.notify('demo:said', 'first');
  client.events.on('state', (state) => state === 'connected' && client.notify('demo:said', 'second'));
  client.events.on('connected', () => client.notify('demo:said', 'third'));
  await client.connect();
  await until('it is greeted', () => client.hello);
  assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), ['first', 'second', 'third']);
});

test('what is sent again is what was sent, whatever became of the objects', async () => {
  const { client, line } = await wired();
  const state = { x: 1 };
  line.limits.up = 1;
  client.notify('demo:said', state);
  state.x = 2;
  client.notify('demo:said', state);
  state.self = state;
  await client.events.once('recovered');
  assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), [{ x: 1 }, { x: 2 }]);
});

test('what cannot be written is told to whoever says it, also while there is no connection', async () => {
  const client = new Starling(server.url, fast);
  open.push(client);
  const circle = {};
  circle.self = circle;
  assert.throws(() => client.notify('a', circle), TypeError);
  await client.connect();
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('a token that was asked for in vain is asked for again', async () => {
  const { client } = await wired();
  const { request } = client;
  let asked = 0;
  client.request = async (method, ...rest) => {
    if (method !== 'starling:state' || (asked += 1) > 1) return request.call(client, method, ...rest);
    throw Object.assign(new Error('not now'), { code: 'STORE_UNAVAILABLE' });
  };
  const token = client.events.once('token');
  client.session.schedule(true);
  await token;
  assert.equal(asked, 2);
});

test('a server that stops while it works is asked again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'helios-stop-'));
  const env = { HELIOS__GATEWAY__DRAIN_TIMEOUT: '100ms' };
  let target = await startServer(['--data-dir', dir], env);
  const { client, line } = await wired({}, target.port);
  const again = client.request('demo:slow', { ms: 1_500, value: 'again' });
  const interrupted = assert.rejects(client.request('demo:progress', { steps: 20, stepMs: 200 }), { code: 'REQUEST_INTERRUPTED' });
  await client.request('demo:echo', 1);
  target.signal('SIGTERM');
  await target.exited;
  target = await startServer(['--data-dir', dir], env);
  line.lead(target.port);
  assert.equal(await again, 'again');
  await interrupted;
  client.disconnect();
  await target.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('without extensions and with a storage nothing is dropped after a reload', async () => {
  const storage = memory();
  for (let round = 0; round < 2; round += 1) {
    const client = new Starling(server.url, { ...fast, extensions: false, storage });
    const token = client.events.once('token');
    await client.connect();
    await token;
    for (let n = 0; n < 5; n += 1) assert.equal(await client.request('demo:echo', n), n);
    client.disconnect();
  }
});
