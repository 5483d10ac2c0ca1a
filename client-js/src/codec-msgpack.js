import { failureOf, idBytes, idText, isId } from './message.js';
import { Writer, decode } from './msgpack.js';
import { isMethod, isTopic } from './topics.js';

// First elements of the arrays: see protocol-spec/README.md.
const [REQUEST, SUCCESS, FAILURE, NOTIFICATION, ERROR, ACK, PUBLICATION] = [0, 1, 2, 3, 4, 5, 6];

/** Arrays of MessagePack: a fifth of the bytes around a payload. */
export const msgpack = {
  subprotocol: 'helios-starling.v1.msgpack',

  /**
   * @param {import('./message.js').Message} message
   * @returns {Uint8Array}
   */
  encode(message) {
    switch (message.type) {
      case 'request':
        return array([REQUEST, id(message.id), message.method], [message.payload, message.peer]);
      case 'response': {
        const { error } = message;
        if (!error) return array([SUCCESS, id(message.id)], [message.data, message.peer]);
        return array([FAILURE, id(message.id), error.code, error.message], [error.details, message.peer]);
      }
      case 'notification': {
        const { published } = message;
        if (published) return array([PUBLICATION, published.position, message.topic, message.data], [published.tags, published.pattern]);
        const progress = message.progress || undefined;
        return array([NOTIFICATION, message.id && id(message.id), message.topic], [message.data, progress, message.peer]);
      }
      default: {
        const severity = message.severity === 'application' ? 1 : 0;
        return array([ERROR, severity, message.error.code, message.error.message], [message.error.details]);
      }
    }
  },

  /**
   * @param {string | ArrayBuffer} frame
   * @returns {import('./message.js').Decoded}
   */
  decode(frame) {
    if (typeof frame === 'string') {
      try {
        return { foreign: 'json', value: JSON.parse(frame) };
      } catch {
        return { foreign: 'text', value: frame };
      }
    }
    /** @type {any} */
    let items;
    try {
      items = decode(new Uint8Array(frame));
    } catch (error) {
      return { violation: `malformed MessagePack: ${/** @type {Error} */ (error).message}` };
    }
    if (!Array.isArray(items)) return { foreign: 'binary', value: frame };
    const peer = (/** @type {number} */ at) => (items[at] ? { peer: items[at] } : {});
    const requestId = read(items[1]);
    const [kind, second, third, fourth, fifth, sixth] = items;
    if ([REQUEST, SUCCESS, FAILURE].includes(kind) && !requestId) return { violation: 'requestId must be a valid UUID' };
    switch (kind) {
      case REQUEST:
        if (!isMethod(third)) return { violation: 'Invalid method name format. Must be namespace:action' };
        return { message: { type: 'request', id: requestId, method: third, payload: fourth, ...peer(4) } };
      case SUCCESS:
        return { message: { type: 'response', id: requestId, data: third ?? null, ...peer(3) } };
      case NOTIFICATION:
        if (!isTopic(third)) return { violation: 'Invalid topic format' };
        return {
          message: { type: 'notification', id: requestId || null, topic: third, data: fourth, progress: Boolean(fifth), ...peer(5) },
        };
      case PUBLICATION: {
        if (!isTopic(third)) return { violation: 'Invalid topic format' };
        if (typeof second !== 'string') return { violation: 'position must be a string' };
        const published = { position: second, ...(sixth ? { pattern: sixth } : {}), ...(fifth ? { tags: fifth } : {}) };
        return { message: { type: 'notification', id: null, topic: third, data: fourth, progress: false, published } };
      }
      case ACK:
        return { foreign: 'binary', value: frame };
      case FAILURE:
      case ERROR: {
        const error = failureOf({ code: third, message: fourth, details: fifth });
        if (!error) return { violation: 'Error must contain non-empty code field' };
        if (kind === ERROR) return { message: { type: 'error', error, severity: items[1] ? 'application' : 'protocol' } };
        return { message: { type: 'response', id: requestId, error, ...peer(5) } };
      }
      default:
        return { violation: 'the first element must be a message type from 0 to 6' };
    }
  },
};

/**
 * @param {unknown[]} fixed
 * @param {unknown[]} optional those behind the last present one are left out
 * @returns {Uint8Array}
 */
function array(fixed, optional) {
  while (optional.length && optional[optional.length - 1] === undefined) optional.pop();
  const writer = new Writer();
  writer.array(fixed.length + optional.length);
  for (const item of [...fixed, ...optional]) writer.value(item);
  return writer.done();
}

/**
 * 16 bytes, or the text where they would lose the case of its letters.
 * @param {string} text
 */
const id = (text) => (text === text.toLowerCase() ? idBytes(text) : text);

/**
 * @param {unknown} value
 * @returns {any} the text of an id, or undefined
 */
function read(value) {
  if (value instanceof Uint8Array && value.length === 16) return idText(value);
  return isId(value) ? value : undefined;
}
