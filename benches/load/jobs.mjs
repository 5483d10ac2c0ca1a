// Jobs through Helios or BullMQ: enqueued by one process, WINDOW at a time, one by one or BATCH in one go, and worked on by another
// one, CONCURRENCY at a time, at once. Prints when it began and when the last one was acknowledged. Checks that each was done.
//
//   node jobs.mjs enqueue|work helios|bullmq PORT JOBS BATCH
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [role, which, port, count, batch] = process.argv.slice(2);
const JOBS = Number(count);
const BATCH = Number(batch);
const WINDOW = 1000;
const CONCURRENCY = 500;

const ways = {
  async helios() {
    const { Starling } = await import('../../client-js/src/node.js');
    const { Worker } = await import('../../client-js/src/worker.js');
    const client = new Starling(`ws://127.0.0.1:${port}/ws`);
    await client.connect();
    let worker;
    return {
      add: (numbers) => Promise.all(numbers.map((number) => client.jobs.enqueue('bench', { number }))),
      work: (handle) => {
        worker = new Worker(client, { bench: handle }, { concurrency: CONCURRENCY });
        return worker.ready;
      },
      done: async () => (await client.request('jobs:stats', {})).counts.done,
      close: async () => {
        // Its seat is free, and what it has said is answered.
        await worker?.stop();
        client.disconnect();
      },
    };
  },
  async bullmq() {
    const { Queue, Worker } = createRequire(join(process.env.BULLMQ, 'x.js'))('bullmq');
    const connection = { host: '127.0.0.1', port: Number(port) };
    const queue = new Queue('bench', { connection });
    await queue.waitUntilReady();
    let worker;
    return {
      add: (numbers) => (BATCH > 1 ? queue.addBulk(numbers.map((number) => ({ name: 'bench', data: { number } }))) : queue.add('bench', { number: numbers[0] })),
      work: (handle) => {
        worker = new Worker('bench', (job) => handle(job.data), { connection, concurrency: CONCURRENCY });
        return worker.waitUntilReady();
      },
      done: () => queue.getCompletedCount(),
      close: () => Promise.all([worker?.close(), queue.close()]),
    };
  },
};

const way = await ways[which]();
if (role === 'enqueue') {
  let next = 0;
  const some = async () => {
    while (next < JOBS) {
      const numbers = Array.from({ length: Math.min(BATCH, JOBS - next) }, (_, at) => next + at);
      next += numbers.length;
      await way.add(numbers);
    }
  };
  console.log(Date.now());
  await Promise.all(Array.from({ length: WINDOW / BATCH }, some));
} else if (role === 'work') {
  const seen = new Set();
  await way.work((payload) => void seen.add(payload.number));
  console.log('ready');
  while ((await way.done()) < JOBS) await new Promise((resolve) => setTimeout(resolve, 20));
  if (seen.size !== JOBS) throw new Error(`${seen.size} of ${JOBS} jobs were worked on`);
  console.log(Date.now());
}
await way.close();
