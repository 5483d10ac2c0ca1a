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
export class JobError extends StarlingError {
}
/** Jobs: work in the background that survives the server. */
export class Jobs {
    /** @param {import('./starling.js').Starling} starling */
    constructor(starling: import("./starling.js").Starling);
    starling: import("./index.js").Starling;
    /** @type {Map<string, Job>} */
    all: Map<string, Job>;
    ask: (item: object) => Promise<any>;
    /**
     * Enqueues a job. Those that are enqueued in one go leave in one message.
     * @param {string} type which handler it is for
     * @param {unknown} [payload] any JSON
     * @param {EnqueueOptions} [options]
     * @returns {Promise<Job>} once it is on the disk
     */
    enqueue(type: string, payload?: unknown, options?: EnqueueOptions): Promise<Job>;
    /**
     * The handle of a job, by its id: after a reload of the page, for instance.
     * @param {string} id
     * @returns {Job}
     */
    get(id: string): Job;
}
/** A job, followed over breaks and restarts once somebody wants to know. */
export class Job {
    /**
     * @param {Jobs} jobs
     * @param {string} id
     */
    constructor(jobs: Jobs, id: string);
    jobs: Jobs;
    /** Its id, to be kept: `client.jobs.get(id)` is this job. */
    id: string;
    /** Where it stands, as far as this side knows. @type {JobStatus | null} */
    status: JobStatus | null;
    /** @type {Emitter<JobEvents>} */
    events: Emitter<JobEvents>;
    sequence: number;
    told: {
        at: number;
        progress: number;
    };
    /** @type {Promise<any> | null} */
    end: Promise<any> | null;
    /**
     * Calls a listener with how far it is, now and from now on.
     * @param {(progress: JobProgress) => void} listener
     * @returns {() => void} takes the listener away
     */
    onProgress(listener: (progress: JobProgress) => void): () => void;
    /**
     * Calls a listener with what happens to it: `status`, `progress`.
     * @template {keyof JobEvents} Name
     * @param {Name} name
     * @param {(event: JobEvents[Name]) => void} listener
     * @returns {() => void} takes the listener away
     */
    on<Name extends keyof JobEvents>(name: Name, listener: (event: JobEvents[Name]) => void): () => void;
    /**
     * What came of it. Fails with {@link JobError} if that is nothing.
     * @returns {Promise<any>}
     */
    result(): Promise<any>;
    /**
     * All that there is to know about it.
     * @returns {Promise<any>}
     */
    load(): Promise<any>;
    /**
     * Calls it off.
     * @param {string} [reason]
     * @returns {Promise<void>}
     */
    cancel(reason?: string): Promise<void>;
    follow(): Promise<any>;
    /**
     * @param {any} event
     * @param {() => void} [look] is called if it is over
     */
    heard(event: any, look?: () => void): boolean | undefined;
}
export type EnqueueOptions = {
    /**
     * higher ones come first, from -100 to 100
     */
    priority?: number | undefined;
    /**
     * milliseconds to wait first
     */
    delayMs?: number | undefined;
    /**
     * when to begin at the earliest, in milliseconds since the Unix epoch
     */
    runAt?: number | undefined;
    maxAttempts?: number | undefined;
    /**
     * seconds that a lease lasts, unless its worker extends it
     */
    visibilityTimeout?: number | undefined;
    /**
     * jobs with the same are one, for a while
     */
    dedupId?: string | undefined;
    dedupLifetimeMs?: number | undefined;
    /**
     * a second one is refused, instead of giving the first
     */
    dedupReject?: boolean | undefined;
    /**
     * the id is free as soon as the job is over
     */
    dedupRelease?: boolean | undefined;
    /**
     * the longest wait after a first attempt in vain
     */
    backoffMs?: number | undefined;
    backoffMaxMs?: number | undefined;
    /**
     * seconds that it is kept when it is done
     *
     * How far a job is: percent, and what its worker says to it.
     */
    retention?: number | undefined;
};
export type JobProgress = {
    progress: number;
    message?: string;
    data?: any;
    attempt: number;
    at: number;
};
export type JobStatus = "PENDING" | "IN_PROGRESS" | "DONE" | "FAILED" | "DLQ" | "CANCELLED";
export type JobEvents = {
    status: JobStatus;
    progress: JobProgress;
};
import { StarlingError } from './errors.js';
import { Emitter } from './emitter.js';
