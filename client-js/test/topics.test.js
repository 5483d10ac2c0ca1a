// Topics: subscriptions that outlive connections.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Starling } from '../src/node.js';
import { cable } from './cable.js';
import { clients } from './clients.js';
import { startServer, until } from './helper.js';

let server;
const { open, cables, connected, wired } = clients(() => server);
before(async () => {
  server = await startServer();
});
after(() => server.stop());

const fast = { backoffMin: 5, backoffMax: 20 };
let topics = 0;
/** A topic that no other test has. */
const fresh = () => `demo:t${(topics += 1)}`;

for (const options of [{}, { codec: 'msgpack' }, { session: false }, { extensions: false }]) {
  test(`publications get to subscribers, with ${JSON.stringify(options)}`, async () => {
    const topic = fresh();
    const [ann, bob] = [await connected(), await connected(options)];
    const seen = [];
    const subscription = bob.subscribe(topic, (data, publication) => seen.push([data, publication]));
    assert.equal(subscription.state, 'subscribing');
    await subscription.ready;
    assert.equal(subscription.state, 'subscribed');
    const { position, delivered } = await ann.publish(topic, { text: 'häh' }, { tags: { a: 'b' } });
    assert.equal(delivered, 1);
    await until('it holds', () => seen.length === 1);
    const extensions = options.extensions !== false;
    assert.deepEqual(seen[0], [{ text: 'häh' }, { data: { text: 'häh' }, topic, position: extensions ? position : null, tags: extensions ? { a: 'b' } : {} }]);
    await subscription.unsubscribe();
    assert.equal((await ann.publish(topic, 2)).delivered, 0);
  });

  test(`twenty cuts with ${JSON.stringify(options)}: every publication once, in order`, async () => {
    const topic = fresh();
    const ann = await connected();
    const { client, line } = await wired(options);
    const [seen, gaps] = [[], []];
    const subscription = client.subscribe(topic, (data) => seen.push(data), { onGap: (gap) => gaps.push(gap) });
    await subscription.ready;
    for (let round = 0; round < 20; round += 1) {
      const back = client.events.once('connected');
      await ann.publish(topic, round * 3);
      line.cut();
      await ann.publish(topic, round * 3 + 1);
      await back;
      // Without our extensions, or without a session, nobody holds what comes before it is asked for.
      if (options.extensions === false) await until('it holds', () => subscription.state === 'subscribed');
      await ann.publish(topic, round * 3 + 2);
    }
    await until('it holds', () => seen.at(-1) === 59);
    assert.deepEqual([seen, gaps], [Array.from({ length: 60 }, (_, n) => n), []]);
  });
}

test('a subscription made before the connection, in another session, and after a disconnect', async () => {
  const topic = fresh();
  const ann = await connected();
  const { position } = await ann.publish(topic, 1);
  await ann.publish(topic, 2);
  const bob = new Starling(server.url, fast);
  open.push(bob);
  const seen = [];
  const subscription = bob.subscribe(topic, (data) => seen.push(data), { since: position });
  await bob.connect();
  await until('it holds', () => seen.length === 1);
  bob.disconnect();
  await ann.publish(topic, 3);
  await bob.connect();
  await until('it holds', () => seen.length === 2);
  await bob.end();
  await ann.publish(topic, 4);
  await bob.connect();
  await until('it holds', () => seen.length === 3);
  assert.deepEqual([seen, subscription.state], [[2, 3, 4], 'subscribed']);
});

test('a page that is reloaded begins its subscriptions anew, and those of the page before are over', async () => {
  const [topic, other] = [fresh(), fresh()];
  const ann = await connected();
  const values = new Map();
  const storage = { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => values.set(key, value), removeItem: (key) => values.delete(key) };
  const before = await connected({ storage });
  await Promise.all([before.subscribe(topic).ready, before.subscribe(other).ready]);
  // As a page goes away: without a word.
  before.connection.options.reconnect = false;
  before.connection.lose();
  const after = new Starling(server.url, { ...fast, storage });
  open.push(after);
  const unhandled = [];
  after.events.on('unhandled', (event) => unhandled.push(event.topic));
  const seen = [];
  const subscription = after.subscribe(topic, (data) => seen.push(data));
  const recovered = after.events.once('recovered');
  await after.connect();
  assert.equal((await recovered).same, true);
  await subscription.ready;
  assert.deepEqual([(await ann.publish(topic, 1)).delivered, (await ann.publish(other, 2)).delivered], [1, 0]);
  await until('it is there', () => seen.length === 1);
  assert.deepEqual(unhandled.filter((name) => name.startsWith('demo:')), []);
});

test('an unsubscribe without a connection is made up for', async () => {
  const topic = fresh();
  const ann = await connected();
  const { client, line } = await wired();
  const subscription = client.subscribe(topic);
  await subscription.ready;
  line.cut();
  await client.events.once('disconnected');
  const gone = subscription.unsubscribe();
  await client.events.once('connected');
  await gone;
  assert.equal((await ann.publish(topic, 1)).delivered, 0);
  const again = client.subscribe(topic);
  await again.ready;
  assert.equal((await ann.publish(topic, 2)).delivered, 1);
});

test('what cannot be subscribed to ends with the reason', async () => {
  const client = await connected();
  const subscription = client.subscribe('nobody:a');
  const failed = subscription.events.once('error');
  await assert.rejects(subscription.ready, { code: 'PERMISSION_DENIED' });
  assert.equal((await failed).code, 'PERMISSION_DENIED');
  assert.equal(subscription.state, 'unsubscribed');
  assert.throws(() => client.subscribe('a b'), TypeError);
  await assert.rejects(client.publish('demo:*', 1), TypeError);
  const topic = fresh();
  client.subscribe(topic);
  assert.throws(() => client.subscribe(topic), /already/);
  assert.equal(client.subscription(topic).topic, topic);
  const iterated = (async () => {
    for await (const _ of client.subscribe('nobody:b')) assert.fail('nothing comes');
  })();
  await assert.rejects(iterated, { code: 'PERMISSION_DENIED' });
});

test('publications are iterated over, and the position follows what was handled', async () => {
  const topic = fresh();
  const [ann, bob] = [await connected(), await connected()];
  const subscription = bob.subscribe(topic);
  await subscription.ready;
  const positions = [];
  for (let n = 0; n < 3; n += 1) positions.push((await ann.publish(topic, n)).position);
  const seen = [];
  for await (const { data } of subscription) {
    seen.push(data);
    if (data < 2) continue;
    assert.equal(subscription.position, positions[1], 'the third is being handled');
    void subscription.unsubscribe();
  }
  assert.deepEqual(seen, [0, 1, 2]);
  await until('it was handled', () => subscription.position === positions[2]);
});

test('slow handlers hold the position back, and a break in between brings nothing twice', async () => {
  const topic = fresh();
  const ann = await connected();
  const { client, line } = await wired();
  const seen = [];
  let finish;
  const slow = new Promise((resolve) => (finish = resolve));
  const subscription = client.subscribe(topic, (data) => {
    seen.push(data);
    return slow;
  });
  await subscription.ready;
  const before = subscription.position;
  const { position } = await ann.publish(topic, 1);
  await until('it holds', () => seen.length === 1);
  const back = client.events.once('connected');
  line.cut();
  await back;
  await ann.publish(topic, 2);
  await until('it holds', () => seen.length === 2);
  assert.equal(subscription.position, before);
  finish();
  await until('it holds', () => subscription.position > position);
  assert.deepEqual(seen, [1, 2]);
});

test('patterns, filters, history', async () => {
  const [ann, bob] = [await connected(), await connected()];
  const room = fresh();
  const [all, some] = [[], []];
  const pattern = bob.subscribe(`${room}:*`, (data, { topic }) => all.push([topic, data]));
  const filtered = bob.subscribe(`${room}:a`, (data) => some.push(data), { filter: { level: ['warn', 'error'] } });
  await Promise.all([pattern.ready, filtered.ready]);
  await ann.publish(`${room}:a`, 1, { tags: { level: 'info' } });
  await ann.publish(`${room}:a`, 2, { tags: { level: 'warn' } });
  await ann.publish(`${room}:b`, 3);
  await until('it holds', () => all.length === 3);
  assert.deepEqual(all, [[`${room}:a`, 1], [`${room}:a`, 2], [`${room}:b`, 3]]);
  assert.deepEqual(some, [2]);
  const { publications } = await filtered.history({ limit: 1 });
  assert.deepEqual([publications[0].data, publications[0].tags], [2, { level: 'warn' }]);
});

test('a gap is told, also after a restart of the server', async () => {
  const own = await startServer();
  const topic = fresh();
  const line = await cable(own.port);
  cables.push(line);
  const client = await connected({}, line.url);
  const gaps = [];
  const subscription = client.subscribe(topic, () => {}, { onGap: (gap) => gaps.push(gap) });
  await subscription.ready;
  await client.publish(topic, 1);
  await own.stop();
  const next = await startServer();
  line.lead(next.port);
  await client.events.once('connected');
  await until('it holds', () => subscription.state === 'subscribed' && gaps.length > 0);
  assert.equal(gaps[0].reason, 'other_history');
  await next.stop();
});

test('who is there is told and can be asked for', async () => {
  const topic = fresh();
  const [ann, bob] = [await connected(), await connected()];
  const differences = [];
  const subscription = ann.subscribe(topic, undefined, { presence: true });
  subscription.on('presence', (difference) => differences.push(difference));
  await subscription.ready;
  const other = bob.subscribe(topic);
  await other.ready;
  await until('it holds', () => differences.at(-1)?.sessions === 2);
  assert.equal((await subscription.members()).members.length, 2);
  assert.deepEqual((await other.members({ by: 'user' })).members.map(({ session }) => session).sort(), [ann.session.id, bob.session.id].sort());
  await other.unsubscribe();
  await until('it holds', () => differences.at(-1)?.left[0]?.session === bob.session.id);
});
