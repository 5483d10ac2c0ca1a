/**
 * What a method that the server calls knows about the call.
 * @typedef {object} CallContext
 * @property {string} requestId
 * @property {string} method
 * @property {AbortSignal} signal aborted when nobody waits for the answer any more: the session is lost
 * @property {(topic: string, data?: unknown) => void} notify tells the caller something that belongs to the call
 * @property {(percent: number, status?: string, details?: unknown) => void} progress
 */
/** @typedef {(payload: any, context: CallContext) => unknown} Handler */
/** Methods of ours that the server may call. */
export class Methods {
    /** @type {Map<string, Handler>} */
    handlers: Map<string, Handler>;
    /**
     * @param {string} name
     * @param {Handler} handler
     * @returns {() => void} takes the method away
     */
    add(name: string, handler: Handler): () => void;
    /**
     * Runs a call and gives the answer. Errors with a code are passed on; of others nothing leaves.
     * @param {import('./message.js').Request} request
     * @param {(message: import('./message.js').Notification) => void} send
     * @param {AbortSignal} signal
     * @param {(error: unknown) => void} report
     * @returns {Promise<import('./message.js').Response>}
     */
    call(request: import("./message.js").Request, send: (message: import("./message.js").Notification) => void, signal: AbortSignal, report: (error: unknown) => void): Promise<import("./message.js").Response>;
}
/**
 * What a method that the server calls knows about the call.
 */
export type CallContext = {
    requestId: string;
    method: string;
    /**
     * aborted when nobody waits for the answer any more: the session is lost
     */
    signal: AbortSignal;
    /**
     * tells the caller something that belongs to the call
     */
    notify: (topic: string, data?: unknown) => void;
    progress: (percent: number, status?: string, details?: unknown) => void;
};
export type Handler = (payload: any, context: CallContext) => unknown;
