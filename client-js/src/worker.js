// Working on jobs. A module of its own: most pages enqueue and look on.
import { CancelledError } from './errors.js';
import { newId } from './message.js';
import { together } from './together.js';

/**
 * What a handler gets beside the payload.
 * @typedef {object} Work
 * @property {string} id
 * @property {string} type
 * @property {number} attempt from 1
 * @property {any} job all that there is to know about it
 * @property {AbortSignal} signal aborted when the job was called off, its lease is over, or the worker stops for good
 * @property {(percent: number, message?: string, data?: any) => Promise<void>} progress says how far it is
 * @property {object[]} effects operations as of `kv:commit`, written with the acknowledgement in one commit: once, however
 *   often the job runs
 *
 * @typedef {(payload: any, work: Work) => unknown} JobHandler what it returns is the result; what it throws is tried again,
 *   unless that has `permanent: true`, and after `retryAfterMs` if that is there
 */

/** Requests that wait for a connection and are asked again: said twice they are said once. */
const SURE = { idempotent: true, timeout: 0, queue: /** @type {'wait'} */ ('wait') };

/** Leases jobs and runs handlers for them, until it is stopped. It goes on over breaks, and takes its leases along. */
export class Worker {
  /**
   * @param {import('./index.js').Starling} client
   * @param {Record<string, JobHandler>} handlers by type
   * @param {{ concurrency?: number, name?: string }} [options] jobs at the same time, and what the worker calls itself
   */
  constructor(client, handlers, { concurrency = 1, name = `js-${newId()}` } = {}) {
    this.client = client;
    this.handlers = handlers;
    this.concurrency = concurrency;
    this.name = name;
    /** Jobs that it works on. @type {Map<string, Running>} */
    this.running = new Map();
    this.stopped = false;
    /** The session that knows of it. @type {string | null | undefined} */
    this.session = undefined;
    this.ack = together(client, 'jobs:ack', 'acks', SURE);
    let replayed = 0;
    this.off = [
      client.on('jobs:leases', ({ workerId, jobs }) => void (workerId === name && jobs.forEach((/** @type {any} */ job) => this.run(job)))),
      client.on('jobs:lost', ({ id, reason }) => this.running.get(id)?.abort(reason)),
      client.events.on('recovered', (told) => {
        if (!told.same || told.restarted) this.session = undefined;
        replayed = told.same ? (told.replayed ?? 0) : 0;
      }),
      // Leases that were brought before come first: then the server hears which of them there are.
      client.on('connection:recovered', () => this.again()),
      client.events.on('connected', ({ session }) => {
        if (session === null || session !== this.session) {
          this.session = undefined;
          if (!replayed) this.again();
        }
        this.now = session;
        replayed = 0;
      }),
    ];
    /** Settles once it gets jobs, or cannot. */
    this.ready = this.register();
    this.ready.catch(() => {});
  }

  /**
   * Takes no more jobs. Those that run come to their end; after `graceMs` what is left is given back.
   * @param {{ graceMs?: number }} [options]
   */
  async stop({ graceMs = 30_000 } = {}) {
    if (this.stopped) return;
    this.stopped = true;
    const rest = (/** @type {boolean} */ finish) => this.client.request('jobs:rest', { worker: this.name, finish }, SURE);
    if (graceMs > 0) {
      await rest(true);
      let timer;
      const late = new Promise((resolve) => (timer = setTimeout(resolve, graceMs)));
      await Promise.race([Promise.all([...this.running.values()].map(({ done }) => done)), late]);
      clearTimeout(timer);
    }
    for (const entry of this.running.values()) entry.abort('stopped');
    await rest(false);
    for (const off of this.off) off();
  }

  // From here on for this file only.

  /** Registers once more. If that is in vain, the next connection brings another try. */
  again() {
    this.register().catch(() => {});
  }

  async register() {
    if (this.stopped || this.session !== undefined) return;
    // Until it has answered, nothing else is asked.
    this.session = this.client.hello?.session ?? null;
    const held = [...this.running].map(([id, { token }]) => ({ id, leaseToken: token }));
    const wish = { worker: this.name, types: Object.keys(this.handlers), concurrency: this.concurrency, held, together: true };
    try {
      const { lost } = await this.client.request('jobs:work', wish, SURE);
      for (const id of lost) this.running.get(id)?.abort('lost');
    } catch (error) {
      this.session = undefined;
      throw error;
    }
  }

  /** @param {any} job */
  run(job) {
    const entry = new Running(job.leaseToken);
    this.running.set(job.id, entry);
    entry.done = this.work(job, entry).finally(() => {
      if (this.running.get(job.id) === entry) this.running.delete(job.id);
    });
  }

  /**
   * @param {any} job
   * @param {Running} entry
   */
  async work(job, entry) {
    const lease = { id: job.id, leaseToken: job.leaseToken };
    const ask = (/** @type {string} */ method, /** @type {object} */ more) => this.client.request(method, { ...lease, ...more }, SURE);
    let asked = false;
    const extend = async () => {
      // Over a break, one of them waits.
      if (asked) return;
      asked = true;
      // A lease that cannot be extended is over, and the server says so.
      await ask('jobs:extend', {}).catch(() => {});
      asked = false;
    };
    const every = setInterval(extend, (job.visibilityTimeout * 1000) / 3);
    // In Node: a process whose client has disconnected may end.
    /** @type {any} */ (every).unref?.();
    /** @type {object[]} */
    const effects = [];
    const progress = async (/** @type {number} */ percent, /** @type {string=} */ message, /** @type {any=} */ data) => {
      if (!entry.aborted) await this.client.request('jobs:progress', { ...lease, progress: percent, message, data }, { idempotent: true });
    };
    const { id, type, attempts: attempt } = job;
    try {
      const handler = this.handlers[type];
      if (!handler) throw Object.assign(new Error(`there is no handler for ${type}`), { permanent: true });
      const work = {
        id, type, attempt, job, progress, effects,
        get signal() {
          return entry.signal;
        },
      };
      const result = await handler(job.payload, work);
      if (!entry.aborted) await this.ack({ ...lease, result: result ?? null, effects });
    } catch (/** @type {any} */ error) {
      if (entry.aborted || error?.code === 'LEASE_LOST') return;
      // Whether it was done, or heard of, is open: this side has hung up meanwhile. The lease ends with its time.
      if (error instanceof CancelledError && this.client.state === 'disconnected') return;
      const failure = { reason: String(error?.message ?? error), permanent: error?.permanent === true, delayMs: error?.retryAfterMs };
      // If that is in vain too, the lease ends with its time.
      await ask('jobs:nack', failure).catch(() => {});
    } finally {
      clearInterval(every);
    }
  }
}

/** A job that a worker works on. */
class Running {
  /** @param {string} token what proves its lease */
  constructor(token) {
    this.token = token;
    this.aborted = false;
    /** @type {AbortController | null} */
    this.controller = null;
    this.done = Promise.resolve();
  }

  /** @param {string} reason */
  abort(reason) {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.controller?.abort(reason);
  }

  /** Made for those handlers that look at it: it costs as much as all else that is done for a job. */
  get signal() {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }
}
