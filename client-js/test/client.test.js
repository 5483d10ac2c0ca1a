// The client against the real server.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { CancelledError, ConnectionError, RequestError, Starling, TimeoutError } from '../src/node.js';
import { startServer, until } from './helper.js';

let server;
const open = [];
before(async () => {
  server = await startServer();
});
after(async () => {
  open.forEach((client) => client.disconnect());
  await server.stop();
});

async function connected(options = {}, url = server.url) {
  const client = new Starling(url, options);
  open.push(client);
  await client.connect();
  return client;
}

for (const options of [{}, { codec: 'msgpack' }, { extensions: false }]) {
  describe(`with ${JSON.stringify(options)}`, () => {
    let client;
    before(async () => {
      client = await connected(options);
    });

    test('calls give data, falsy ones too', async () => {
      for (const value of [{ a: [1, 'é', null] }, 0, false, '', null, 'x'.repeat(200_000)]) {
        assert.deepEqual(await client.request('demo:echo', value), value);
      }
      assert.equal(await client.request('demo:echo'), null);
    });

    test('errors have code, details and whether to try again', async () => {
      const error = await client.request('demo:fail', { code: 'APP_X', message: 'm', details: { d: 1 } }).catch((it) => it);
      assert.ok(error instanceof RequestError);
      assert.deepEqual([error.code, error.message, error.details, error.retryable], ['APP_X', 'm', { d: 1 }, false]);
      await assert.rejects(client.request('no:method'), { code: 'METHOD_NOT_FOUND' });
      await assert.rejects(client.request('echo'), TypeError);
    });

    test('progress and notifications belong to their request', async () => {
      const seen = [];
      const topics = [];
      const data = await client.request('demo:progress', { steps: 2 }, {
        onProgress: ({ progress, status }) => seen.push([progress, status]),
        onNotification: (topic) => topics.push(topic),
      });
      assert.deepEqual(data, { steps: 2 });
      assert.deepEqual(seen, [[0, 'working'], [50, 'working'], [100, 'done']]);
      assert.deepEqual(topics, ['progress', 'progress', 'progress']);
    });

    test('topic handlers get what fits', async () => {
      const seen = [];
      const offs = ['news:*', '**'].map((pattern) => client.on(pattern, (data, { topic }) => seen.push([pattern, topic, data])));
      await client.request('demo:topic', { topic: 'news:a', data: 1 });
      await client.request('demo:topic', { topic: 'other', data: 2 });
      offs.forEach((off) => off());
      await client.request('demo:topic', { topic: 'news:a', data: 3 });
      assert.deepEqual(seen, [['news:*', 'news:a', 1], ['**', 'news:a', 1], ['**', 'other', 2]]);
    });

    test('notifications reach the server in order', async () => {
      for (let n = 0; n < 100; n += 1) client.notify('demo:said', n);
      const received = await client.request('demo:received', { topic: 'demo:said' });
      assert.deepEqual(received, Array.from({ length: 100 }, (_, n) => n));
      assert.throws(() => client.notify('not a topic'), TypeError);
    });

    test('the server calls methods of ours', async () => {
      const off = client.method('client:sum', ([a, b]) => a + b);
      client.method('client:fails', () => {
        throw Object.assign(new Error('not today'), { code: 'APP_NO' });
      });
      client.method('client:breaks', () => {
        throw new Error('secret');
      });
      assert.equal(await client.request('demo:callme', { method: 'client:sum', payload: [1, 2] }), 3);
      await assert.rejects(client.request('demo:callme', { method: 'client:fails' }), { code: 'APP_NO', message: 'not today' });
      const told = client.events.once('error');
      await assert.rejects(client.request('demo:callme', { method: 'client:breaks' }), { code: 'METHOD_ERROR', message: 'Method execution failed' });
      assert.equal((await told).details.message, 'secret', 'told here, not there');
      off();
      await assert.rejects(client.request('demo:callme', { method: 'client:sum', payload: [1, 2] }), { code: 'METHOD_NOT_FOUND' });
      assert.throws(() => client.method('system:mine', () => {}), /reserved/);
      assert.throws(() => client.method('client:fails', () => {}), /already/);
    });

    test('a request can be given up', async () => {
      const error = await client.request('demo:slow', { ms: 5_000 }, { timeout: 30 }).catch((it) => it);
      assert.ok(error instanceof TimeoutError && error.retryable);
      const controller = new AbortController();
      const asked = client.request('demo:slow', { ms: 5_000 }, { signal: controller.signal });
      controller.abort();
      await assert.rejects(asked, CancelledError);
      await assert.rejects(client.request('demo:echo', 1, { signal: AbortSignal.abort() }), CancelledError);
      assert.equal(client.requests.pending.size, 0);
    });

    test('a thousand requests at once', async () => {
      const all = await Promise.all(Array.from({ length: 1_000 }, (_, n) => client.request('demo:echo', n)));
      assert.deepEqual(all, Array.from({ length: 1_000 }, (_, n) => n));
    });
  });
}

test('the server introduces itself', async () => {
  const client = new Starling(server.url);
  open.push(client);
  const hello = client.events.once('hello');
  const greeted = client.events.once('connected');
  await client.connect();
  assert.equal((await hello).server.name, 'helios');
  assert.equal((await greeted).session, client.hello.session);
  assert.ok(client.hello.limits.messageBytes >= 1 << 20);
});

test('a message that the server would refuse is refused at home', async () => {
  const client = await connected();
  await until('it was greeted', () => client.hello);
  await assert.rejects(client.request('demo:echo', 'x'.repeat(2 << 20)), { code: 'PROTOCOL_VIOLATION' });
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('foreign frames reach their listeners', async () => {
  const frames = ['hello', '{"some":"json"}'];
  const client = await connected();
  const seen = [];
  client.onText((text) => seen.push(['text', text]));
  client.onJson((value) => seen.push(['json', value]));
  client.onBinary((data) => seen.push(['binary', new Uint8Array(data)]));
  frames.forEach((frame) => client.frame(frame));
  client.frame(new Uint8Array([1, 2]).buffer);
  assert.deepEqual(seen, [['text', 'hello'], ['json', { some: 'json' }], ['binary', new Uint8Array([1, 2])]]);
  client.send('plain text goes out as it is');
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('a frame that breaks the rules is reported to both sides', async () => {
  const client = await connected();
  const told = client.events.once('error');
  client.frame('{"protocol":"helios-starling","type":"ping"}');
  assert.equal((await told).code, 'PROTOCOL_VIOLATION');
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('calls wait for the connection or fail, as they were told', async () => {
  const client = new Starling(server.url, { queueMax: 2 });
  open.push(client);
  await assert.rejects(client.request('demo:echo', 1, { queue: 'fail' }), ConnectionError);
  assert.throws(() => client.notify('a', 1, { queue: 'fail' }), ConnectionError);
  const first = client.request('demo:echo', 'first');
  client.notify('demo:said', 'early');
  await assert.rejects(client.request('demo:echo', 3), /2 calls wait/);
  await client.connect();
  assert.equal(await first, 'first');
  assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), ['early']);
});

test('states follow the connection', async () => {
  const client = new Starling(server.url);
  const states = [];
  client.events.on('state', (state) => states.push(state));
  await client.connect();
  const asked = client.request('demo:slow', { ms: 5_000 });
  client.disconnect();
  await assert.rejects(asked, CancelledError);
  assert.deepEqual(states, ['connecting', 'connected', 'disconnected']);
});

test('a client without reconnect says why it cannot connect', async () => {
  const listener = createServer((socket) => socket.end('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n'));
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const client = new Starling(`ws://127.0.0.1:${listener.address().port}/`, { reconnect: false });
  await assert.rejects(client.connect(), ConnectionError);
  assert.equal(client.state, 'disconnected');
  listener.close();
});

test('a server that comes back is found again, and handlers are still there', async () => {
  const first = await startServer();
  const client = await connected({ backoffMin: 20, backoffMax: 100, session: false }, first.url);
  client.method('client:still', () => 'here');
  const seen = [];
  client.on('news', (data) => seen.push(data));
  const lost = client.events.once('disconnected');
  const failed = assert.rejects(client.request('demo:slow', { ms: 10_000 }), { code: 'CONNECTION_LOST', retryable: true });
  await until('the request has left', () => [...client.requests.pending.values()].every(({ sent }) => sent));
  await first.stop();
  await failed;
  assert.notEqual((await lost).retryInMs, null);
  assert.equal(client.state, 'connecting');
  const waiting = client.request('demo:callme', { method: 'client:still' });
  const second = await startServer([], { LISTEN: `:${first.port}` });
  assert.equal(await waiting, 'here');
  await client.request('demo:topic', { topic: 'news', data: 1 });
  assert.deepEqual(seen, [1]);
  client.disconnect();
  await second.stop();
});

test('a draining server tells when to come back, and is believed', async () => {
  const draining = await startServer();
  const client = await connected({ backoffMin: 1, backoffMax: 1 }, draining.url);
  const told = client.events.once('draining');
  const lost = client.events.once('disconnected');
  draining.signal('SIGTERM');
  const { reconnect_after_ms: after } = await told;
  const { code, retryInMs } = await lost;
  assert.deepEqual([code, retryInMs], [1012, after]);
  client.disconnect();
  assert.equal(await draining.exited, 0);
  await draining.stop();
});

test('a server that says nothing any more is left', async () => {
  const target = await startServer();
  const client = await connected({ heartbeat: 50, connectTimeout: 150, backoffMin: 10_000, random: () => 1 }, target.url);
  await until('it was greeted', () => client.hello);
  const lost = client.events.once('disconnected');
  target.signal('SIGSTOP');
  assert.equal((await lost).code, 1006);
  client.disconnect();
  await target.stop();
});

test('a listener may connect again at once', async () => {
  const client = await connected({ reconnect: false });
  let again;
  const off = client.events.on('disconnected', () => {
    off();
    again = client.connect();
  });
  client.connection.lose();
  await again;
  assert.equal(await client.request('demo:echo', 1), 1);
});

test('a call that was given up is not sent and makes room', async () => {
  const client = new Starling(server.url, { queueMax: 1 });
  open.push(client);
  await assert.rejects(client.request('demo:echo', 1, { timeout: 5 }), TimeoutError);
  const kept = client.request('demo:echo', 'kept');
  await client.connect();
  assert.equal(await kept, 'kept');
  const frames = [];
  client.events.on('frame', (frame) => frames.push(frame));
  await assert.rejects(client.request('demo:echo', 1, { signal: AbortSignal.abort() }), CancelledError);
  assert.deepEqual(frames, []);
  assert.equal(await client.request('demo:echo', 1, { timeout: Infinity }), 1);
});
