import { failureOf, isId } from './message.js';
import { isMethod, isTopic } from './topics.js';

const PROTOCOL = 'helios-starling';

/** The envelope that every peer understands. */
export const json = {
  subprotocol: 'helios-starling.v1',

  /**
   * @param {import('./message.js').Message} message
   * @returns {string}
   */
  encode(message) {
    /** @type {Record<string, unknown>} */
    const out = { protocol: PROTOCOL, version: '1.0.0', timestamp: Date.now() };
    if ('peer' in message && message.peer) out.peer = message.peer;
    out.type = message.type;
    switch (message.type) {
      case 'request':
        Object.assign(out, { requestId: message.id, method: message.method, payload: message.payload });
        break;
      case 'response':
        Object.assign(out, { requestId: message.id, success: !message.error });
        Object.assign(out, message.error ? { error: message.error } : { data: message.data });
        break;
      case 'notification': {
        const kind = message.progress ? { type: 'progress' } : {};
        const notification = { topic: message.topic, ...kind, ...message.published, data: message.data };
        Object.assign(out, { requestId: message.id, notification });
        break;
      }
      default:
        out.error = { severity: message.severity ?? 'protocol', ...message.error };
    }
    return JSON.stringify(out);
  },

  /**
   * @param {string | ArrayBuffer} frame
   * @returns {import('./message.js').Decoded}
   */
  decode(frame) {
    if (typeof frame !== 'string') return { foreign: 'binary', value: frame };
    /** @type {any} */
    let value;
    try {
      value = JSON.parse(frame);
    } catch {
      return { foreign: 'text', value: frame };
    }
    if (value?.protocol !== PROTOCOL) return { foreign: 'json', value };
    const peer = value.peer ? { peer: value.peer } : {};
    switch (value.type) {
      case 'request':
        if (!isId(value.requestId)) return { violation: 'requestId must be a valid UUID' };
        if (!isMethod(value.method)) return { violation: 'Invalid method name format. Must be namespace:action' };
        return { message: { type: 'request', id: value.requestId, method: value.method, payload: value.payload, ...peer } };
      case 'response': {
        const { requestId: id, success } = value;
        if (!isId(id)) return { violation: 'requestId must be a valid UUID' };
        if (typeof success !== 'boolean') return { violation: 'success must be a boolean' };
        if (success) return { message: { type: 'response', id, data: value.data ?? null, ...peer } };
        const error = failureOf(value.error);
        if (!error) return { violation: 'Error must contain non-empty code field' };
        return { message: { type: 'response', id, error, ...peer } };
      }
      case 'notification': {
        const { topic, data, type, position, pattern, tags } = value.notification ?? {};
        if (!isTopic(topic)) return { violation: 'Invalid topic format' };
        const progress = type === 'progress' || data?.type === 'progress';
        const published = position ? { published: { position, ...(pattern ? { pattern } : {}), ...(tags ? { tags } : {}) } } : {};
        return { message: { type: 'notification', id: value.requestId || null, topic, data, progress, ...published, ...peer } };
      }
      case 'error': {
        const error = failureOf(value.error);
        if (!error) return { violation: 'Error must contain non-empty code field' };
        return { message: { type: 'error', error, severity: value.error.severity } };
      }
      case 'ack':
        return { foreign: 'json', value };
      default:
        return { violation: `Unsupported message type: ${value.type}` };
    }
  },
};
