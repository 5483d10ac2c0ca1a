/** One socket after the other: connects, notices losses, connects again. */
export class Connection {
    /**
     * @param {string | URL} url
     * @param {import('./options.js').Options} options
     * @param {Handlers} handlers
     */
    constructor(url: string | URL, options: import("./options.js").Options, handlers: Handlers);
    url: string;
    options: import("./options.js").Options;
    handlers: Handlers;
    backoff: Backoff;
    /** @type {State} */
    state: State;
    /** Milliseconds that the server asked us to stay away after the next loss. @type {number | null} */
    advisedDelay: number | null;
    /** @type {any} */
    socket: any;
    openedAt: number;
    /** @type {any} */
    timer: any;
    /** @type {Attempt | null} */
    attempt: Attempt | null;
    /** @returns {Promise<void>} settles once connected, or once it is given up */
    connect(): Promise<void>;
    /**
     * @param {number} code
     * @param {string} reason
     */
    disconnect(code: number, reason: string): void;
    /** @param {string | Uint8Array | ArrayBuffer} data */
    send(data: string | Uint8Array | ArrayBuffer): void;
    /** Drops the socket as if it had been lost, because nothing is heard of the server. */
    lose(): void;
    open(): void;
    /** The socket is of use from now on. */
    ready(): void;
    /** Tries at once instead of waiting for the next attempt. */
    hurry(): void;
    /** Lets go of the socket, so that its late events change nothing. */
    release(): any;
    /**
     * @param {number} code
     * @param {string} reason
     */
    lost(code: number, reason: string): void;
    /**
     * The end: nobody tries any more.
     * @param {ConnectionError} error
     * @param {number} code
     * @param {string} reason
     */
    give(error: ConnectionError, code: number, reason: string): void;
    /** @param {State} state */
    setState(state: State): void;
}
export type Attempt = {
    promise: Promise<void>;
    resolve: () => void;
    reject: (error: Error) => void;
};
export type State = "disconnected" | "connecting" | "connected";
export type Handlers = {
    /**
     * a socket is about to be made
     */
    opening: () => {
        url: string;
        protocols: string[];
    };
    /**
     * the socket is there; `ready` is to be called once it is of use
     */
    opened: () => void;
    /**
     * the connection is of use
     */
    ready: () => void;
    /**
     * something came
     */
    frame: (data: string | ArrayBuffer) => void;
    /**
     *   a socket or an attempt is gone; `retryInMs` is null if that was the last
     */
    closed: (event: {
        code: number;
        reason: string;
        error: ConnectionError;
        retryInMs: number | null;
    }) => void;
    /**
     * the state changed
     */
    state: (state: State) => void;
};
import { Backoff } from './backoff.js';
import { ConnectionError } from './errors.js';
