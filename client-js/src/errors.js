import { ERROR_CODES } from './error-codes.js';

/** What all errors of this client have in common. */
export class StarlingError extends Error {
  /**
   * @param {string} code from the public table, or the application's own
   * @param {string} message for people
   * @param {unknown} [details] for programs
   */
  constructor(code, message, details) {
    super(message);
    this.name = new.target.name;
    /** A code from the public table, or the application's own. */
    this.code = code;
    /** More for programs, if there is any. */
    this.details = details;
    /** Whether the same call may succeed later. */
    this.retryable = ERROR_CODES[code]?.retryable ?? false;
  }
}

/** The other side answered with an error. */
export class RequestError extends StarlingError {}

/** No answer came in time. */
export class TimeoutError extends StarlingError {
  /** @param {number} ms */
  constructor(ms) {
    super('REQUEST_TIMEOUT', `Request timed out after ${ms}ms`);
  }
}

/** The caller gave up by its signal, or disconnected. */
export class CancelledError extends StarlingError {
  /** @param {string} [message] */
  constructor(message = 'The request was cancelled') {
    super('REQUEST_CANCELLED', message);
  }
}

/** There is no connection, or it was lost before the answer. */
export class ConnectionError extends StarlingError {
  /**
   * @param {string} message
   * @param {{ closeCode?: number, reason?: string }} [details]
   */
  constructor(message, details) {
    super('CONNECTION_LOST', message, details);
  }
}

/** A message broke the rules of the protocol. */
export class ProtocolError extends StarlingError {}
