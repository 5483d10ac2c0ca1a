/**
 * Messages as both codecs read and write them.
 *
 * @typedef {{ code: string, message: string, details?: unknown }} Failure
 *
 * @typedef {{ type: 'request', id: string, method: string, payload?: unknown, peer?: unknown }} Request
 * @typedef {{ type: 'response', id: string, data?: unknown, error?: Failure, peer?: unknown }} Response
 * @typedef {{ type: 'notification', id: string | null, topic: string, data?: any, progress?: boolean, peer?: unknown, published?: Published }} Notification
 * @typedef {{ position: string, pattern?: string, tags?: Record<string, string> }} Published what a publication tells besides topic and data
 * @typedef {{ type: 'error', error: Failure, severity?: string }} ErrorMessage
 * @typedef {Request | Response | Notification | ErrorMessage} Message
 *
 * What a frame turned out to be: a message, something foreign, or a message that breaks the rules.
 * @typedef {{ message: Message } | { foreign: 'text' | 'json' | 'binary', value: unknown } | { violation: string }} Decoded
 */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @param {unknown} id */
export const isId = (id) => typeof id === 'string' && UUID.test(id);

/** @returns {string} a random UUID; `crypto.randomUUID` is missing on pages without TLS */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return idText(bytes);
}

/**
 * @param {Uint8Array} bytes 16 of them
 * @returns {string}
 */
export function idText(bytes) {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * @param {string} text
 * @returns {Uint8Array}
 */
export function idBytes(text) {
  const hex = text.replaceAll('-', '');
  return Uint8Array.from({ length: 16 }, (_, at) => parseInt(hex.slice(at * 2, at * 2 + 2), 16));
}

/**
 * @param {any} error
 * @returns {Failure | undefined} the error as it came, if it has the right shape
 */
export function failureOf(error) {
  const text = (/** @type {unknown} */ value) => typeof value === 'string' && value !== '';
  if (!error || !text(error.code) || !text(error.message)) return undefined;
  const { code, message, details } = error;
  return details == null ? { code, message } : { code, message, details };
}
