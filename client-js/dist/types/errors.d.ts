/** What all errors of this client have in common. */
export class StarlingError extends Error {
    /**
     * @param {string} code from the public table, or the application's own
     * @param {string} message for people
     * @param {unknown} [details] for programs
     */
    constructor(code: string, message: string, details?: unknown);
    /** A code from the public table, or the application's own. */
    code: string;
    /** More for programs, if there is any. */
    details: unknown;
    /** Whether the same call may succeed later. */
    retryable: boolean;
}
/** The other side answered with an error. */
export class RequestError extends StarlingError {
}
/** No answer came in time. */
export class TimeoutError extends StarlingError {
    /** @param {number} ms */
    constructor(ms: number);
}
/** The caller gave up by its signal, or disconnected. */
export class CancelledError extends StarlingError {
    /** @param {string} [message] */
    constructor(message?: string);
}
/** There is no connection, or it was lost before the answer. */
export class ConnectionError extends StarlingError {
    /**
     * @param {string} message
     * @param {{ closeCode?: number, reason?: string }} [details]
     */
    constructor(message: string, details?: {
        closeCode?: number;
        reason?: string;
    });
}
/** A message broke the rules of the protocol. */
export class ProtocolError extends StarlingError {
}
