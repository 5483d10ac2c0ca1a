import { Emitter } from './emitter.js';
import { StarlingError } from './errors.js';
import { together } from './together.js';

/**
 * @typedef {object} EnqueueOptions
 * @property {number} [priority] higher ones come first, from -100 to 100
 * @property {number} [delayMs] milliseconds to wait first
 * @property {number} [runAt] when to begin at the earliest, in milliseconds since the Unix epoch
 * @property {number} [maxAttempts]
 * @property {number} [visibilityTimeout] seconds that a lease lasts, unless its worker extends it
 * @property {string} [dedupId] jobs with the same are one, for a while
 * @property {number} [dedupLifetimeMs]
 * @property {boolean} [dedupReject] a second one is refused, instead of giving the first
 * @property {boolean} [dedupRelease] the id is free as soon as the job is over
 * @property {number} [backoffMs] the longest wait after a first attempt in vain
 * @property {number} [backoffMaxMs]
 * @property {number} [retention] seconds that it is kept when it is done
 *
 * How far a job is: percent, and what its worker says to it.
 * @typedef {{ progress: number, message?: string, data?: any, attempt: number, at: number }} JobProgress
 *
 * @typedef {'PENDING' | 'IN_PROGRESS' | 'DONE' | 'FAILED' | 'DLQ' | 'CANCELLED'} JobStatus
 *
 * @typedef {{ status: JobStatus, progress: JobProgress }} JobEvents
 */

/** A job has failed for good, or was called off. `details` is the job. */
export class JobError extends StarlingError {}

/** Jobs: work in the background that survives the server. */
export class Jobs {
  /** @param {import('./starling.js').Starling} starling */
  constructor(starling) {
    this.starling = /** @type {import('./index.js').Starling} */ (starling);
    /** @type {Map<string, Job>} */
    this.all = new Map();
    this.ask = together(this.starling, 'jobs:enqueue', 'jobs');
  }

  /**
   * Enqueues a job. Those that are enqueued in one go leave in one message.
   * @param {string} type which handler it is for
   * @param {unknown} [payload] any JSON
   * @param {EnqueueOptions} [options]
   * @returns {Promise<Job>} once it is on the disk
   */
  async enqueue(type, payload = null, options = {}) {
    const { id } = await this.ask({ type, payload, ...options });
    return this.get(id);
  }

  /**
   * The handle of a job, by its id: after a reload of the page, for instance.
   * @param {string} id
   * @returns {Job}
   */
  get(id) {
    const job = this.all.get(id) ?? new Job(this, id);
    this.all.set(id, job);
    return job;
  }
}

/** A job, followed over breaks and restarts once somebody wants to know. */
export class Job {
  /**
   * @param {Jobs} jobs
   * @param {string} id
   */
  constructor(jobs, id) {
    this.jobs = jobs;
    /** Its id, to be kept: `client.jobs.get(id)` is this job. */
    this.id = id;
    /** Where it stands, as far as this side knows. @type {JobStatus | null} */
    this.status = null;
    /** @type {Emitter<JobEvents>} */
    this.events = new Emitter();
    this.sequence = 0;
    this.told = { at: 0, progress: -1 };
    /** @type {Promise<any> | null} */
    this.end = null;
  }

  /**
   * Calls a listener with how far it is, now and from now on.
   * @param {(progress: JobProgress) => void} listener
   * @returns {() => void} takes the listener away
   */
  onProgress(listener) {
    return this.on('progress', listener);
  }

  /**
   * Calls a listener with what happens to it: `status`, `progress`.
   * @template {keyof JobEvents} Name
   * @param {Name} name
   * @param {(event: JobEvents[Name]) => void} listener
   * @returns {() => void} takes the listener away
   */
  on(name, listener) {
    this.follow();
    return this.events.on(name, listener);
  }

  /**
   * What came of it. Fails with {@link JobError} if that is nothing.
   * @returns {Promise<any>}
   */
  result() {
    return this.follow();
  }

  /**
   * All that there is to know about it.
   * @returns {Promise<any>}
   */
  load() {
    return this.jobs.starling.request('jobs:get', { id: this.id }, { idempotent: true });
  }

  /**
   * Calls it off.
   * @param {string} [reason]
   * @returns {Promise<void>}
   */
  async cancel(reason) {
    await this.jobs.starling.request('jobs:cancel', { id: this.id, reason }, { idempotent: true });
  }

  // From here on for this file only.

  follow() {
    this.end ??= new Promise((resolve, reject) => {
      const subscription = this.jobs.starling.subscribe(`jobs:${this.id}`, (event) => this.heard(event, look));
      const settle = (/** @type {() => void} */ done) => {
        this.jobs.all.delete(this.id);
        subscription.unsubscribe().catch(() => {});
        done();
      };
      // What has happened before, or while nobody could tell us, is looked up.
      const look = async () => {
        try {
          const job = await this.load();
          this.heard({ event: '', ...job });
          if (job.progress) this.heard({ event: 'progress', ...job.progress });
          if (job.status === 'DONE') settle(() => resolve(job.result));
          else if (job.completedAt) settle(() => reject(new JobError('JOB_FAILED', `job ${this.id} is ${job.status}: ${job.error ?? 'no reason was given'}`, job)));
        } catch (error) {
          // The next connection looks again.
          if (!(/** @type {any} */ (error).retryable)) settle(() => reject(error));
        }
      };
      subscription.on('state', (state) => state === 'subscribed' && look());
      subscription.on('gap', look);
      subscription.ready.catch((error) => settle(() => reject(error)));
    });
    this.end.catch(() => {});
    return this.end;
  }

  /**
   * @param {any} event
   * @param {() => void} [look] is called if it is over
   */
  heard(event, look) {
    if (event.event === 'progress') {
      const { progress, message, data, attempt, at } = event;
      // What was looked up may have been told as well.
      if (at < this.told.at || (at === this.told.at && progress === this.told.progress)) return;
      this.told = { at, progress };
      return this.events.emit('progress', { progress, message, data, attempt, at });
    }
    if (event.sequence <= this.sequence) return;
    this.sequence = event.sequence;
    if (this.status !== event.status) this.events.emit('status', (this.status = event.status));
    if (!['PENDING', 'IN_PROGRESS'].includes(event.status)) look?.();
  }
}
