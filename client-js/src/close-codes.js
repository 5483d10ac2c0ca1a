/**
 * The codes of the public table, `protocol-spec/close-codes.json`; a test holds the two together. After a
 * code that is not here, the client connects again.
 * @type {Readonly<Record<number, { name: string, reconnect: boolean }>>}
 */
export const CLOSE_CODES = Object.freeze({
  1000: { name: 'NORMAL', reconnect: false },
  1002: { name: 'PROTOCOL_ERROR', reconnect: false },
  1007: { name: 'INVALID_UTF8', reconnect: false },
  1008: { name: 'POLICY', reconnect: false },
  1009: { name: 'TOO_BIG', reconnect: false },
  1011: { name: 'INTERNAL', reconnect: true },
  1012: { name: 'RESTART', reconnect: true },
  4008: { name: 'SLOW_CONSUMER', reconnect: true },
  4009: { name: 'PING_TIMEOUT', reconnect: true },
  4010: { name: 'IDLE_TIMEOUT', reconnect: true },
  4011: { name: 'TAKEN_OVER', reconnect: false },
  4012: { name: 'CREDENTIALS_EXPIRED', reconnect: true },
  4013: { name: 'CREDENTIALS_REVOKED', reconnect: false },
});
