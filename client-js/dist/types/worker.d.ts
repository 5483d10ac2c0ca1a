/** Leases jobs and runs handlers for them, until it is stopped. It goes on over breaks, and takes its leases along. */
export class Worker {
    /**
     * @param {import('./index.js').Starling} client
     * @param {Record<string, JobHandler>} handlers by type
     * @param {{ concurrency?: number, name?: string }} [options] jobs at the same time, and what the worker calls itself
     */
    constructor(client: import("./index.js").Starling, handlers: Record<string, JobHandler>, { concurrency, name }?: {
        concurrency?: number;
        name?: string;
    });
    client: import("./index.js").Starling;
    handlers: Record<string, JobHandler>;
    concurrency: number;
    name: string;
    /** Jobs that it works on. @type {Map<string, Running>} */
    running: Map<string, Running>;
    stopped: boolean;
    /** The session that knows of it. @type {string | null | undefined} */
    session: string | null | undefined;
    ack: (item: object) => Promise<any>;
    off: (() => void)[];
    now: string | null;
    /** Settles once it gets jobs, or cannot. */
    ready: Promise<void>;
    /**
     * Takes no more jobs. Those that run come to their end; after `graceMs` what is left is given back.
     * @param {{ graceMs?: number }} [options]
     */
    stop({ graceMs }?: {
        graceMs?: number;
    }): Promise<void>;
    /** Registers once more. If that is in vain, the next connection brings another try. */
    again(): void;
    register(): Promise<void>;
    /** @param {any} job */
    run(job: any): void;
    /**
     * @param {any} job
     * @param {Running} entry
     */
    work(job: any, entry: Running): Promise<void>;
}
/**
 * What a handler gets beside the payload.
 */
export type Work = {
    id: string;
    type: string;
    /**
     * from 1
     */
    attempt: number;
    /**
     * all that there is to know about it
     */
    job: any;
    /**
     * aborted when the job was called off, its lease is over, or the worker stops for good
     */
    signal: AbortSignal;
    /**
     * says how far it is
     */
    progress: (percent: number, message?: string, data?: any) => Promise<void>;
    /**
     * operations as of `kv:commit`, written with the acknowledgement in one commit: once, however
     * often the job runs
     */
    effects: object[];
};
/**
 * what it returns is the result; what it throws is tried again,
 *  unless that has `permanent: true`, and after `retryAfterMs` if that is there
 */
export type JobHandler = (payload: any, work: Work) => unknown;
/** A job that a worker works on. */
declare class Running {
    /** @param {string} token what proves its lease */
    constructor(token: string);
    token: string;
    aborted: boolean;
    /** @type {AbortController | null} */
    controller: AbortController | null;
    done: Promise<void>;
    /** @param {string} reason */
    abort(reason: string): void;
    reason: string | undefined;
    /** Made for those handlers that look at it: it costs as much as all else that is done for a job. */
    get signal(): AbortSignal;
}
export {};
