// Jobs: handles that survive breaks and reloads, and workers that do.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { Worker } from '../src/worker.js';
import { clients } from './clients.js';
import { root, startServer, until } from './helper.js';

let server;
const { open, connected, wired } = clients(() => server);
before(async () => {
  server = await startServer();
});
after(() => server.stop());

let types = 0;
/** A type of jobs that no other test has. */
const fresh = () => `test.t${(types += 1)}`;

for (const options of [{}, { codec: 'msgpack' }, { session: false }, { extensions: false }]) {
  test(`a job is enqueued, worked on and looked at, with ${JSON.stringify(options)}`, async () => {
    const type = fresh();
    const [boss, hand] = [await connected(options), await connected(options)];
    const worker = new Worker(hand, {
      [type]: async ({ n }, { progress, attempt }) => {
        await progress(50, 'half', { n });
        return { double: n * 2, attempt };
      },
    });
    const job = await boss.jobs.enqueue(type, { n: 21 });
    const seen = [];
    job.onProgress(({ progress, message, data }) => seen.push([progress, message, data]));
    assert.deepEqual(await job.result(), { double: 42, attempt: 1 });
    assert.equal(job.status, 'DONE');
    assert.ok(seen.length <= 1, 'the job may be over before anybody listens');
    assert.deepEqual((await job.load()).result, { double: 42, attempt: 1 });
    await worker.stop();
  });
}

test('what fails is tried again, what is hopeless is not, and both are told', async () => {
  const [boss, hand] = [await connected(), await connected()];
  const [flaky, hopeless, unknown] = [fresh(), fresh(), fresh()];
  const worker = new Worker(hand, {
    [flaky]: (_, { attempt }) => {
      if (attempt < 3) throw Object.assign(new Error('not yet'), { retryAfterMs: 1 });
      return attempt;
    },
    [hopeless]: () => {
      throw Object.assign(new Error('never'), { permanent: true });
    },
  });
  assert.equal(await (await boss.jobs.enqueue(flaky)).result(), 3);
  const failed = await (await boss.jobs.enqueue(hopeless)).result().catch((error) => error);
  assert.equal(failed.name, 'JobError');
  assert.match(failed.message, /FAILED: never/);
  assert.equal(failed.details.history.length, 1);
  const job = await boss.jobs.enqueue(unknown);
  const statuses = [];
  job.on('status', (status) => statuses.push(status));
  await until('it is known', () => job.status === 'PENDING');
  await job.cancel('not needed');
  await assert.rejects(job.result(), /is CANCELLED/);
  assert.deepEqual(statuses, ['PENDING', 'CANCELLED']);
  await assert.rejects(boss.jobs.get(`j${'0'.repeat(32)}`).result(), { code: 'NOT_FOUND' });
  await worker.stop();
});

test('a job that is called off stops its handler', async () => {
  const [boss, hand, type] = [await connected(), await connected(), fresh()];
  let aborted = null;
  const worker = new Worker(hand, {
    [type]: (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve((aborted = signal.reason)))),
  });
  const job = await boss.jobs.enqueue(type);
  await until('it runs', () => worker.running.size === 1);
  await job.cancel();
  await until('it stops', () => aborted === 'cancelled');
  await worker.stop();
});

test('a handle and its worker go on over twenty cuts of both cables', async () => {
  const type = fresh();
  const [boss, hand] = [await wired(), await wired()];
  let runs = 0;
  const worker = new Worker(hand.client, {
    [type]: async (payload, { progress }) => {
      runs += 1;
      for (let percent = 10; percent <= 100; percent += 30) {
        await progress(percent);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return payload;
    },
  }, { concurrency: 4 });
  const jobs = [];
  const seen = new Map();
  for (let number = 0; number < 20; number += 1) {
    const job = await boss.client.jobs.enqueue(type, number, { dedupId: `${type}-${number}` });
    jobs.push(job);
    job.onProgress(({ progress }) => seen.set(number, [...(seen.get(number) ?? []), progress]));
    (number % 2 ? boss : hand).line.cut();
    await until('both are back', () => boss.client.state === 'connected' && hand.client.state === 'connected');
  }
  assert.deepEqual(await Promise.all(jobs.map((job) => job.result())), jobs.map((_, number) => number));
  assert.equal(runs, 20, 'no lease was lost, so nothing ran twice');
  for (const percents of seen.values()) assert.deepEqual(percents, [...percents].sort((a, b) => a - b), 'never back');
  await worker.stop();
});

test('a page that is reloaded finds its job by the id', async () => {
  const type = fresh();
  const before = await connected();
  const { id } = await before.jobs.enqueue(type, 'kept');
  before.disconnect();
  const after_ = await connected();
  const job = after_.jobs.get(id);
  const hand = await connected();
  let go;
  const worker = new Worker(hand, { [type]: async (_, { progress }) => {
    await progress(70, 'almost');
    await new Promise((resolve) => (go = resolve));
    return 'done';
  } });
  await until('it waits', () => go);
  const late = await connected();
  const seen = [];
  late.jobs.get(id).onProgress(({ progress, message }) => seen.push([progress, message]));
  await until('who comes late is told where it stands', () => seen.length === 1);
  assert.deepEqual(seen, [[70, 'almost']]);
  go();
  assert.equal(await job.result(), 'done');
  await worker.stop();
});

test('what an acknowledgement brings with it happens once', async () => {
  const [boss, hand, type] = [await connected(), await connected(), fresh()];
  const key = `effects-${type}`;
  const worker = new Worker(hand, {
    [type]: (_, { effects }) => {
      effects.push({ op: 'increment', key });
    },
  });
  const [one, two] = [await boss.jobs.enqueue(type), await boss.jobs.enqueue(type)];
  await Promise.all([one.result(), two.result()]);
  assert.equal((await boss.request('kv:get', { key })).value, 2);
  await worker.stop();
});

test('a worker that stops finishes what it has, or gives it back', async () => {
  const [boss, hand, type] = [await connected(), await connected(), fresh()];
  const started = [];
  const handler = (ms) => async (payload, { signal }) => {
    started.push(payload);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => resolve(clearTimeout(timer)));
    });
    return payload;
  };
  const patient = new Worker(hand, { [type]: handler(100) });
  const first = await boss.jobs.enqueue(type, 1);
  await until('it runs', () => started.length === 1);
  await patient.stop();
  assert.equal(await first.result(), 1, 'it was finished');
  const hasty = new Worker(hand, { [type]: handler(60_000) });
  const second = await boss.jobs.enqueue(type, 2);
  await until('it runs', () => started.length === 2);
  await hasty.stop({ graceMs: 0 });
  const back = await second.load();
  assert.deepEqual([back.status, back.attempts], ['PENDING', 0]);
});

test('what is enqueued and acknowledged in one go leaves in one message, and each has its own answer', async () => {
  const [boss, hand, type] = [await connected(), await connected(), fresh()];
  const said = { boss: [], hand: [] };
  const listen = (client, to) =>
    client.events.on('frame', ({ direction, data }) => {
      const { method } = JSON.parse(data);
      // Others are the session's.
      if (direction === 'out' && method?.startsWith('jobs:')) to.push(method);
    });
  listen(boss, said.boss);
  listen(hand, said.hand);
  const enqueue = (payload, options) => boss.jobs.enqueue(type, payload, options);
  const same = { dedupId: type, dedupReject: true };
  const jobs = await Promise.allSettled([enqueue(1), enqueue(2, same), enqueue(3, same), enqueue(4)]);
  assert.deepEqual(jobs.map(({ reason }) => reason?.code), [undefined, undefined, 'CONFLICT', undefined]);
  assert.equal(jobs[2].reason.details.id, jobs[1].value.id);
  assert.deepEqual(said.boss, ['jobs:enqueueEach']);
  jobs.push(...(await Promise.allSettled([enqueue('x'.repeat(700_000)), enqueue('y'.repeat(700_000))])));
  assert.deepEqual(said.boss, ['jobs:enqueueEach', 'jobs:enqueue', 'jobs:enqueue'], 'what is too long together leaves alone');
  // One that is wrong in its form spoils no other.
  const [wrong, right] = await Promise.allSettled([boss.jobs.enqueue('no type'), enqueue(5)]);
  assert.deepEqual([wrong.reason?.code, right.reason], ['VALIDATION_ERROR', undefined]);
  const circular = {};
  circular.self = circular;
  const [unwritten, written] = await Promise.allSettled([enqueue(circular), enqueue(6)]);
  assert.ok(unwritten.reason instanceof TypeError && written.value);

  let [waiting, go] = [0, () => {}];
  const gate = new Promise((resolve) => (go = resolve));
  const worker = new Worker(hand, {
    [type]: async (payload) => {
      waiting += 1;
      if (typeof payload === 'number') await gate;
      return payload;
    },
  }, { concurrency: 9 });
  await until('all of them run', () => waiting === 7);
  go();
  const all = [...jobs.filter(({ value }) => value), right, written].map(({ value }) => value.result());
  assert.deepEqual((await Promise.all(all)).map((it) => (it.length ? it[0] : it)), [1, 2, 4, 'x', 'y', 5, 6]);
  const acks = said.hand.filter((method) => method.startsWith('jobs:ack'));
  assert.equal(acks.filter((method) => method === 'jobs:ackEach').length, 1, `${acks}`);
  assert.ok(acks.length <= 3, `${acks}`);
  await worker.stop();
});

for (const way of ['return', 'throw new Error()']) {
  test(`a process ends whose worker disconnects at work, and then comes to: ${way}`, async () => {
    const script = `
      import { Starling } from '${root}/client-js/src/node.js';
      import { Worker } from '${root}/client-js/src/worker.js';
      const client = new Starling('${server.url}');
      await client.connect();
      new Worker(client, { left: () => { client.disconnect(); console.log('gone'); ${way}; } });
      await client.jobs.enqueue('left').catch(() => {});`;
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 15_000 });
    assert.equal((await run).stdout, 'gone\n');
  });
}

test('jobs, handles and workers survive a kill of the server', async () => {
  const data = mkdtempSync(join(tmpdir(), 'helios-jobs-'));
  const type = fresh();
  let own = await startServer(['--data-dir', data]);
  const port = own.port;
  const [boss, hand] = [await connected({}, own.url), await connected({}, own.url)];
  let runs = 0;
  let go = () => {};
  const held = new Promise((resolve) => (go = resolve));
  const worker = new Worker(hand, { [type]: async (payload) => {
    runs += 1;
    if (payload === 'held') await held;
    return payload;
  } }, { concurrency: 2 });
  const job = await boss.jobs.enqueue(type, 'held');
  const result = job.result();
  await until('it runs', () => runs === 1);
  own.signal('SIGKILL');
  await own.exited;
  own = await startServer(['--data-dir', data], { LISTEN: `:${port}` });
  await until('both are back', () => boss.state === 'connected' && hand.state === 'connected');
  const other = await boss.jobs.enqueue(type, 'after');
  assert.equal(await other.result(), 'after', 'the worker works on');
  go();
  assert.equal(await result, 'held');
  const { history } = await job.load();
  assert.deepEqual(history.map(({ outcome }) => outcome), ['done'], 'with the lease from before');
  assert.equal(runs, 2);
  await worker.stop();
  open.splice(0).forEach((client) => client.disconnect());
  await own.stop();
  rmSync(data, { recursive: true, force: true });
});
