/**
 * The codes of the public table, `protocol-spec/errors.json`; a test holds the two together.
 * @type {Readonly<Record<string, { retryable: boolean }>>}
 */
export const ERROR_CODES = Object.freeze({
  PROTOCOL_VIOLATION: { retryable: false },
  METHOD_NOT_FOUND: { retryable: false },
  VALIDATION_ERROR: { retryable: false },
  METHOD_ERROR: { retryable: false },
  REQUEST_TIMEOUT: { retryable: true },
  REQUEST_CANCELLED: { retryable: false },
  REQUEST_LIMIT_EXCEEDED: { retryable: true },
  RATE_LIMIT_EXCEEDED: { retryable: true },
  METHOD_BUSY: { retryable: true },
  RESPONSE_TOO_LARGE: { retryable: false },
  INTERNAL_ERROR: { retryable: false },
  SERVER_DRAINING: { retryable: true },
  PERMISSION_DENIED: { retryable: false },
  PROXY_FORBIDDEN: { retryable: false },
  PROXY_ERROR: { retryable: true },
  PROXY_TIMEOUT: { retryable: true },
  STORE_UNAVAILABLE: { retryable: true },
  QUOTA_EXCEEDED: { retryable: false },
  POSITION_LOST: { retryable: false },
  UNIVERSE_NOT_FOUND: { retryable: false },
  SNAPSHOT_NOT_FOUND: { retryable: false },
  MERGE_CONFLICT: { retryable: false },
  VALUE_TOO_LARGE: { retryable: false },
  UNIVERSE_LIMIT_EXCEEDED: { retryable: true },
  REQUEST_INTERRUPTED: { retryable: false },
  STATE_SAVE_FAILED: { retryable: true },
  STATE_TOO_LARGE: { retryable: false },
  CONNECTION_LOST: { retryable: true },
});
