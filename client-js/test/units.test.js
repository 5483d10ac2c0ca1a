// The parts of the client that need no server: tables, fixtures, codecs, patterns, backoff, size.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { Backoff } from '../src/backoff.js';
import { CLOSE_CODES } from '../src/close-codes.js';
import { json } from '../src/codec-json.js';
import { msgpack } from '../src/codec-msgpack.js';
import { ERROR_CODES } from '../src/error-codes.js';
import { StarlingError } from '../src/errors.js';
import { decode, encode } from '../src/msgpack.js';
import { Starling } from '../src/node.js';
import { topicPattern } from '../src/topics.js';
import { root } from './helper.js';

const read = (path) => JSON.parse(readFileSync(join(root, 'protocol-spec', path), 'utf8'));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex')).buffer;

test('the tables are the public ones', () => {
  const errors = Object.fromEntries(read('errors.json').errors.map(({ code, retryable }) => [code, { retryable }]));
  assert.deepEqual({ ...ERROR_CODES }, errors);
  const codes = read('close-codes.json').codes.map(({ code, name, reconnect }) => [code, { name, reconnect }]);
  assert.deepEqual({ ...CLOSE_CODES }, Object.fromEntries(codes));
  assert.equal(new StarlingError('SERVER_DRAINING', 'x').retryable, true);
  assert.equal(new StarlingError('APP_OWN', 'x').retryable, false);
});

function described({ type, id, method, payload, peer, topic, data, error, published }) {
  const all = { type, id, method, payload, peer, topic, data, error, published };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

for (const [name, codec, frame] of [['json', json, (text) => text], ['msgpack', msgpack, bytes]]) {
  test(`valid ${name} fixtures mean what they say`, () => {
    const { cases } = read(`fixtures/valid/${name}.json`);
    assert.ok(cases.length >= 10);
    for (const one of cases) {
      const decoded = codec.decode(frame(one.frame));
      if (one.foreign) {
        assert.equal(decoded.foreign, one.foreign, one.name);
        continue;
      }
      const expected = { ...one.message };
      // For an application, no data and null are the same.
      if (expected.type === 'response' && !expected.error) expected.data ??= null;
      assert.deepEqual(described(decoded.message ?? {}), expected, one.name);
      // And written again it means the same.
      const again = codec.encode(decoded.message);
      const back = codec.decode(typeof again === 'string' ? again : again.slice().buffer);
      assert.deepEqual(described(back.message ?? {}), described(decoded.message), `${one.name}, written again`);
    }
  });

  test(`invalid ${name} fixtures are refused where a client must`, () => {
    for (const one of read(`fixtures/invalid/${name}.json`).cases) {
      const decoded = codec.decode(frame(one.frame));
      if (one.client === 'refuses') assert.ok(decoded.violation, one.name);
      else assert.ok(!decoded.violation, one.name);
    }
  });
}

test('MessagePack gives back what it was given', () => {
  const values = [
    null, true, false, 0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -32, -33, -128,
    -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, Number.MIN_SAFE_INTEGER, 1.5, -0, Infinity, '', 'é', 'x'.repeat(31),
    'x'.repeat(32), 'x'.repeat(300), 'x'.repeat(70_000), [], [1, [2, [3]]], Array(20).fill(1), Array(70_000).fill(0), {},
    { a: { b: [null] } }, Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`k${at}`, at])),
  ];
  for (const value of values) assert.deepEqual(decode(encode(value)), value);
  assert.deepEqual(decode(encode(new Uint8Array([1, 2]))), new Uint8Array([1, 2]));
  assert.deepEqual(decode(encode({ a: undefined, b: 1 })), { b: 1 });
  assert.equal(decode(encode(new Date(0))), '1970-01-01T00:00:00.000Z');
  const sneaky = decode(encode(JSON.parse('{"__proto__":{"polluted":true}}')));
  assert.equal({}.polluted, undefined);
  assert.equal(Object.getPrototypeOf(sneaky), Object.prototype);
});

test('MessagePack refuses what it cannot carry, by name', () => {
  const loop = {};
  loop.self = loop;
  assert.throws(() => encode(loop), /refers to itself/);
  assert.throws(() => encode(Symbol('x')), /symbol cannot be sent/);
  const deep = new Uint8Array(5_000).fill(0x91);
  assert.throws(() => decode(deep), /too deep/);
  for (const bad of [[], [0xc1], [0xa5, 1], [0xdd, 255, 255, 255, 255], [1, 2]]) assert.throws(() => decode(Uint8Array.from(bad)));
});

test('any bytes are read or refused, never more', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  let state = seed;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  for (let round = 0; round < 20_000; round += 1) {
    const noise = Uint8Array.from({ length: random() * 24 }, () => random() * 256);
    const decoded = msgpack.decode(noise.buffer);
    assert.ok('message' in decoded || 'foreign' in decoded || 'violation' in decoded);
  }
});

test('topic patterns are those of the server', () => {
  const fits = (pattern, topic) => topicPattern(pattern).test(topic);
  for (const [pattern, topic] of [['a', 'a'], ['*', 'a'], ['a:*', 'a:b'], ['**', 'a:b:c'], ['a:**', 'a:b:c'], ['**:c', 'a:b:c'], ['a:**:c', 'a:b:b:c']]) {
    assert.ok(fits(pattern, topic), `${pattern} fits ${topic}`);
  }
  for (const [pattern, topic] of [['a', 'a:b'], ['*', 'a:b'], ['a:*', 'a'], ['a:*', 'a:b:c'], ['a:**', 'a'], ['**:c', 'c']]) {
    assert.ok(!fits(pattern, topic), `${pattern} does not fit ${topic}`);
  }
  for (const pattern of ['', 'a:', '***', 'a*', 'a b']) assert.throws(() => topicPattern(pattern), TypeError);
});

test('backoff is full jitter up to a doubling limit', () => {
  const limits = (random) => {
    const backoff = new Backoff({ backoffMin: 500, backoffMax: 20_000, random });
    return Array.from({ length: 8 }, () => backoff.next());
  };
  assert.deepEqual(limits(() => 1), [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assert.deepEqual(limits(() => 0), Array(8).fill(0));
});

test('wrong options are named', () => {
  assert.throws(() => new Starling('ws://x', { codec: 'xml' }), /options.codec: unknown codec "xml"/);
  assert.throws(() => new Starling('ws://x', { queue: 'drop' }), /options.queue/);
  assert.throws(() => new Starling('ws://x', { codec: 'msgpack', extensions: false }), /needs options.extensions/);
});

test('the bundles keep to their sizes', () => {
  for (const [bundle, limit] of [['helios-core.js', 8 * 1024], ['helios.js', 15 * 1024]]) {
    const size = gzipSync(readFileSync(join(root, 'client-js/dist', bundle)), { level: 9 }).length;
    console.log(`${bundle}: ${size} bytes, minified and gzipped`);
    assert.ok(size <= limit, `${bundle}: ${size} bytes`);
  }
});

test('the compact codec puts few bytes around a payload', () => {
  const id = 'e996f0d2-4115-4a64-b77f-e4ae77b0808c';
  const payload = { a: 1 };
  // A client's frame adds 2 bytes and a mask of 4, a server's adds 2.
  const request = msgpack.encode({ type: 'request', id, method: 'demo:echo', payload }).length - encode(payload).length + 6;
  const response = msgpack.encode({ type: 'response', id, data: payload }).length - encode(payload).length + 2;
  console.log(`around a payload: request ${request} bytes, response ${response} bytes`);
  assert.ok(request <= 40 && response <= 25);
});
