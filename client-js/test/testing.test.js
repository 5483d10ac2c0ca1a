// The fake server that applications test with, used as they would.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Starling } from '../src/node.js';
import { FakeServer } from '../src/testing.js';
import { until } from './helper.js';

const fast = { backoffMin: 1, backoffMax: 2 };

for (const codec of ['json', 'msgpack']) {
  test(`an application is tested without a server, in ${codec}`, async () => {
    const server = new FakeServer();
    let runs = 0;
    server.method('chat:send', ({ text }, { notify }) => {
      runs += 1;
      notify('chat:progress', 50);
      return { length: text.length };
    });
    server.method('chat:refuse', () => {
      throw { code: 'APP_NO', message: 'no', details: 1 };
    });
    const client = new Starling('ws://fake', { ...fast, codec, WebSocket: server.WebSocket });
    const token = client.events.once('token');
    await client.connect();
    await token;
    const progress = [];
    const sent = client.request('chat:send', { text: 'hello' }, { onNotification: (topic, data) => progress.push([topic, data]) });
    assert.deepEqual(await sent, { length: 5 });
    assert.deepEqual(progress, [['chat:progress', 50]]);
    await assert.rejects(client.request('chat:refuse'), { code: 'APP_NO', details: 1 });
    await assert.rejects(client.request('chat:unknown'), { code: 'METHOD_NOT_FOUND' });
    client.notify('chat:typing', true);
    client.method('page:title', () => 'a page');
    assert.equal(await server.request('page:title'), 'a page');
    assert.deepEqual(server.received, [{ topic: 'chat:typing', data: true }]);

    const seen = [];
    client.on('news', (data) => seen.push(data));
    server.notify('news', 1);
    const recovered = client.events.once('recovered');
    server.cut();
    server.notify('news', 2);
    const { recovered: whole, same } = await recovered;
    assert.deepEqual([whole, same], [true, true]);
    await until('both have come', () => seen.length === 2);
    assert.deepEqual(seen, [1, 2]);
    const call = client.request('chat:send', { text: 'x' });
    server.cut();
    assert.deepEqual(await call, { length: 1 });
    assert.equal(runs, 2);

    const lost = client.events.once('recovered');
    server.forget();
    server.cut();
    assert.deepEqual([(await lost).recovered, (await lost).reason], [false, 'session_ended']);
    client.disconnect();
  });
}

for (const codec of ['json', 'msgpack']) {
  test(`subscriptions are tested without a server, in ${codec}`, async () => {
    const server = new FakeServer();
    const client = new Starling('ws://fake', { WebSocket: server.WebSocket, codec, backoffMin: 1, backoffMax: 2 });
    const token = client.events.once('token');
    await client.connect();
    await token;
    const [seen, some] = [[], []];
    const lobby = client.subscribe('chat:lobby', (data, { tags }) => seen.push([data, tags]));
    const all = client.subscribe('chat:*', (data) => some.push(data), { filter: { level: ['warn'] } });
    await Promise.all([lobby.ready, all.ready]);
    assert.deepEqual(server.publish('chat:lobby', 1, { tags: { level: 'warn' } }), { position: '1', delivered: 2 });
    await until('it is there', () => seen.length === 1 && some.length === 1);
    const back = client.events.once('recovered');
    server.cut();
    server.publish('chat:lobby', 2);
    assert.equal((await back).recovered, true);
    await until('it is there', () => seen.length === 2);
    server.forget();
    server.publish('chat:lobby', 3);
    await until('it is there', () => seen.length === 3);
    assert.deepEqual(seen, [[1, { level: 'warn' }], [2, {}], [3, {}]]);
    assert.equal((await client.publish('chat:lobby', 4)).delivered, 1);
    assert.deepEqual((await lobby.history({ limit: 1 })).publications.map(({ data }) => data), [4]);
    await lobby.unsubscribe();
    assert.equal(server.publish('chat:lobby', 5).delivered, 0);
    client.disconnect();
  });
}

test('a server that is down is waited for', async () => {
  const server = new FakeServer();
  server.down = true;
  const client = new Starling('ws://fake', { ...fast, WebSocket: server.WebSocket });
  const connected = client.connect();
  const failed = await client.events.once('disconnected');
  assert.equal(failed.code, 1006);
  server.down = false;
  await connected;
  client.disconnect();
});
