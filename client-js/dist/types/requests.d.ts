/**
 * @typedef {object} RequestOptions
 * @property {number} [timeout] milliseconds; 0 is no limit
 * @property {AbortSignal} [signal] gives up when it is aborted
 * @property {(progress: { progress: number, status?: string, details?: any }) => void} [onProgress]
 * @property {(topic: string, data: any) => void} [onNotification] what belongs to this request, progress too
 * @property {'wait' | 'fail'} [queue] what to do while there is no connection
 * @property {boolean} [idempotent] calling twice is the same as once, so it may be sent again in a new session too
 * @property {unknown} [peer] who is meant instead of the server: `true` or an object
 */
/** Requests of ours that wait for their answer. */
export class Requests {
    /** @type {Map<string, Pending>} */
    pending: Map<string, Pending>;
    /**
     * @param {string} id
     * @param {RequestOptions & { timeout: number, onAnswer?: (data: any) => void }} options `onAnswer` is called in order with everything else that comes
     * @returns {Pending}
     */
    add(id: string, options: RequestOptions & {
        timeout: number;
        onAnswer?: (data: any) => void;
    }): Pending;
    /**
     * @param {import('./message.js').Response} response
     * @returns {boolean} whether anybody waited for it
     */
    answer(response: import("./message.js").Response): boolean;
    /**
     * @param {import('./message.js').Notification} notification
     * @returns {boolean} whether it belongs to a request
     */
    notify({ id, topic, data, progress }: import("./message.js").Notification): boolean;
    /**
     * Fails requests that nobody can answer any more.
     * @param {Error} error
     * @param {(pending: Pending) => boolean} [which]
     */
    fail(error: Error, which?: (pending: Pending) => boolean): void;
}
export type RequestOptions = {
    /**
     * milliseconds; 0 is no limit
     */
    timeout?: number | undefined;
    /**
     * gives up when it is aborted
     */
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: {
        progress: number;
        status?: string;
        details?: any;
    }) => void) | undefined;
    /**
     * what belongs to this request, progress too
     */
    onNotification?: ((topic: string, data: any) => void) | undefined;
    /**
     * what to do while there is no connection
     */
    queue?: "fail" | "wait" | undefined;
    /**
     * calling twice is the same as once, so it may be sent again in a new session too
     */
    idempotent?: boolean | undefined;
    /**
     * who is meant instead of the server: `true` or an object
     */
    peer?: unknown;
};
/** One request on its way. */
declare class Pending {
    /**
     * @param {RequestOptions & { timeout: number, onAnswer?: (data: any) => void }} options
     * @param {() => void} forget
     */
    constructor(options: RequestOptions & {
        timeout: number;
        onAnswer?: (data: any) => void;
    }, forget: () => void);
    options: RequestOptions & {
        timeout: number;
        onAnswer?: (data: any) => void;
    };
    /** Whether it has left for the server. */
    sent: boolean;
    /** The socket that it left by. @type {any} */
    via: any;
    /** The server remembers it by its id. */
    known: boolean;
    /** Sends it once more over the next connection. @type {(() => void) | null} */
    again: (() => void) | null;
    /** What was or will be sent. @type {any} */
    message: any;
    /** As it was sent. @type {any} */
    frame: any;
    /** @type {(error: Error | null, data?: unknown) => void} */
    settle: (error: Error | null, data?: unknown) => void;
    /** @type {Promise<any>} */
    promise: Promise<any>;
}
export {};
