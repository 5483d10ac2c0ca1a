// A WebSocket client for Node versions that have none, as much of the browser's class as this client uses.
import { createHash, randomBytes } from 'node:crypto';
import { request as http } from 'node:http';
import { request as https } from 'node:https';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MESSAGE_MAX = 16 * 1024 * 1024;

export class NodeWebSocket {
  /**
   * @param {string} url
   * @param {string[]} [protocols]
   */
  constructor(url, protocols = []) {
    const { protocol, href } = new URL(url);
    if (protocol !== 'ws:' && protocol !== 'wss:') throw new TypeError(`"${url}" is not a ws: or wss: address`);
    this.binaryType = 'arraybuffer';
    /** The subprotocol that the server chose. */
    this.protocol = '';
    /** @type {(() => void) | null} */
    this.onopen = null;
    /** @type {((event: { data: string | ArrayBuffer }) => void) | null} */
    this.onmessage = null;
    /** @type {((event: { code: number, reason: string }) => void) | null} */
    this.onclose = null;
    /** @type {((error: Error) => void) | null} */
    this.onerror = null;
    /** @type {import('node:net').Socket | null} */
    this.socket = null;
    /** @type {Buffer} */
    this.buffer = Buffer.alloc(0);
    /** @type {Buffer[]} */
    this.fragments = [];
    this.opcode = 0;
    this.closing = false;
    this.ended = false;
    this.handshake(href.replace(/^ws/, 'http'), protocols);
  }

  /**
   * @param {string} url
   * @param {string[]} protocols
   */
  handshake(url, protocols) {
    const key = randomBytes(16).toString('base64');
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': key,
      ...(protocols.length ? { 'Sec-WebSocket-Protocol': protocols.join(', ') } : {}),
    };
    this.request = (url.startsWith('https') ? https : http)(url, { headers });
    this.request.on('upgrade', (answer, socket, head) => {
      const accept = createHash('sha1').update(key + MAGIC).digest('base64');
      if (answer.headers['sec-websocket-accept'] !== accept) {
        socket.destroy();
        return this.finish(1006, 'the server answered the handshake wrongly');
      }
      this.protocol = answer.headers['sec-websocket-protocol'] ?? '';
      this.attach(/** @type {import('node:net').Socket} */ (socket));
      this.onopen?.();
      if (head.length) this.take(head);
    });
    this.request.on('response', (answer) => {
      answer.resume();
      this.finish(1006, `the server refused with status ${answer.statusCode}`);
    });
    this.request.on('error', (error) => this.finish(1006, error.message));
    this.request.end();
  }

  /** @param {import('node:net').Socket} socket */
  attach(socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (/** @type {Buffer} */ data) => this.take(data));
    socket.on('error', (error) => this.onerror?.(error));
    socket.on('close', () => this.finish(1006, ''));
  }

  /** @param {string | ArrayBuffer | Uint8Array} data */
  send(data) {
    if (typeof data === 'string') this.frame(1, Buffer.from(data));
    else this.frame(2, ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data));
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason = '') {
    if (!this.socket) {
      this.request?.destroy();
      return this.finish(1006, 'closed before it was open');
    }
    if (this.closing) return;
    this.closing = true;
    const payload = code ? Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]) : Buffer.alloc(0);
    this.frame(8, payload);
    // A server that does not answer must not keep the process alive.
    setTimeout(() => this.socket?.destroy(), 3_000).unref();
  }

  /**
   * @param {number} opcode
   * @param {Buffer} payload
   */
  frame(opcode, payload) {
    const { length } = payload;
    const wide = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
    const head = Buffer.alloc(2 + wide + 4);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (wide === 0 ? length : wide === 2 ? 126 : 127);
    if (wide === 2) head.writeUInt16BE(length, 2);
    if (wide === 8) head.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    mask.copy(head, 2 + wide);
    const masked = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) masked[at] = payload[at] ^ mask[at & 3];
    this.socket?.write(Buffer.concat([head, masked]));
  }

  /** @param {Buffer} data */
  take(data) {
    this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
    while (!this.ended) {
      const { buffer } = this;
      if (buffer.length < 2) return;
      let length = buffer[1] & 0x7f;
      let start = 2;
      if (length === 126) {
        if (buffer.length < 4) return;
        length = buffer.readUInt16BE(2);
        start = 4;
      } else if (length === 127) {
        if (buffer.length < 10) return;
        length = Number(buffer.readBigUInt64BE(2));
        start = 10;
      }
      if (length > MESSAGE_MAX) return this.fail(1009, 'too big');
      if (buffer[1] & 0x80 || buffer[0] & 0x70) return this.fail(1002, 'broken framing');
      if (buffer.length < start + length) return;
      const payload = buffer.subarray(start, start + length);
      this.buffer = buffer.subarray(start + length);
      this.handle(buffer[0] & 0x0f, (buffer[0] & 0x80) !== 0, payload);
    }
  }

  /**
   * @param {number} opcode
   * @param {boolean} final
   * @param {Buffer} payload
   */
  handle(opcode, final, payload) {
    if (opcode === 9) return this.frame(10, payload);
    if (opcode === 10) return undefined;
    if (opcode === 8) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      if (!this.closing) this.frame(8, payload.subarray(0, 2));
      this.socket?.end();
      return this.finish(code, payload.subarray(2).toString());
    }
    if (opcode !== 0) this.opcode = opcode;
    this.fragments.push(payload);
    if (!final) return undefined;
    const whole = Buffer.concat(this.fragments.splice(0));
    const data = this.opcode === 1 ? whole.toString() : whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length);
    return this.onmessage?.({ data: /** @type {string | ArrayBuffer} */ (data) });
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  fail(code, reason) {
    this.close(code, reason);
    this.socket?.destroy();
    this.finish(1006, reason);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  finish(code, reason) {
    if (this.ended) return;
    this.ended = true;
    this.onclose?.({ code, reason });
  }
}
