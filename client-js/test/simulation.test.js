// The real client and the real server over a cable that chance cuts, slows and halves. Whatever happens: every call
// runs once and is answered, every message of either side is handled once, in order.
//
// HELIOS_RUNS says how many seeds, HELIOS_SEED which one first; a failure names its seed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Starling } from '../src/node.js';
import { cable } from './cable.js';
import { startServer, until } from './helper.js';

const runs = Number(process.env.HELIOS_RUNS ?? 200);
const first = Number(process.env.HELIOS_SEED ?? 1);
const AT_ONCE = 20;
const STEPS = 25;

let server;
before(async () => {
  server = await startServer();
});
after(() => server.stop());

/** The same seed gives the same numbers from 0 to 1. */
function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function simulate(seed) {
  const random = chance(seed);
  const upTo = (limit) => Math.floor(random() * limit);
  const slow = random() < 0.3;
  const line = await cable(server.port, { delay: () => (slow ? upTo(4) : 0) });
  const client = new Starling(line.url, {
    codec: random() < 0.5 ? 'json' : 'msgpack',
    backoffMin: 1,
    backoffMax: 5,
    connectTimeout: 2_000,
    random,
  });
  const trouble = [];
  client.events.on('recovered', (event) => event.recovered || trouble.push(event.reason));
  client.events.on('unconfirmed', (messages) => trouble.push(`${messages.length} unconfirmed`));
  client.events.on('error', (error) => trouble.push(error.message));
  const news = [];
  client.on('news', (n) => {
    news.push(n);
    // Some handlers take their time.
    if (n % 3 === 0) return new Promise((resolve) => setTimeout(resolve, upTo(5)));
  });
  client.method('page:double', (n) => n * 2);
  try {
    await live(seed, { client, line, upTo, trouble, news });
  } finally {
    client.disconnect();
    await line.close();
  }
}

async function live(seed, { client, line, upTo, trouble, news }) {
  const token = client.events.once('token');
  await client.connect();
  await token;
  const [calls, asked, topics, notes] = [[], [], [], []];
  const steps = [
    () => calls.push(client.request('kv:increment', { key: `sim:${seed}` })),
    () => {
      topics.push(topics.length);
      calls.push(client.request('demo:topic', { topic: 'news', data: topics.length - 1 }).then(() => null));
    },
    () => {
      notes.push(notes.length);
      client.notify('demo:said', notes.length - 1);
    },
    () => asked.push(client.request('demo:callme', { method: 'page:double', payload: asked.length })),
    () => line.cut(),
    () => line.half(upTo(60)),
    () => {
      line.limits.up = 1 + upTo(600);
    },
    () => {
      line.limits.down = 1 + upTo(900);
    },
    () => new Promise((resolve) => setTimeout(resolve, upTo(12))),
    () => client.connection.lose(),
  ];
  for (let step = 0; step < STEPS; step += 1) await steps[upTo(steps.length)]();
  Object.assign(line.limits, { up: Infinity, down: Infinity });
  const counted = (await Promise.all(calls)).filter((answer) => answer !== null).map(({ value }) => value);
  assert.deepEqual(counted.sort((a, b) => a - b), counted.map((_, at) => at + 1), 'every call ran once');
  assert.deepEqual(await Promise.all(asked), asked.map((_, at) => at * 2), 'the server got every answer');
  assert.deepEqual(await client.request('demo:received', { topic: 'demo:said' }), notes, 'every notification came once, in order');
  await until('all news are there', () => news.length >= topics.length);
  assert.deepEqual(news, topics, 'all news came once, in order');
  assert.deepEqual(trouble, []);
  assert.equal(client.requests.pending.size, 0);
  await client.end();
}

test(`${runs} seeds from ${first} on`, { timeout: 3_600_000 }, async () => {
  let next = first;
  const worker = async () => {
    while (next < first + runs) {
      const seed = next;
      next += 1;
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('it does not end')), 30_000);
      });
      await Promise.race([simulate(seed), late]).catch((error) => {
        error.message = `seed ${seed}: ${error.message}`;
        next = Infinity;
        throw error;
      }).finally(() => clearTimeout(timer));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
});
