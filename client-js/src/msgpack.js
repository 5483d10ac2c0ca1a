// MessagePack, as much of it as JSON has, and binary.

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { fatal: true });

/** Deeper values are refused, so that a frame cannot exhaust the stack. */
const DEPTH_MAX = 1000;

/** Writes values one after the other into one growing buffer. */
export class Writer {
  constructor() {
    this.bytes = new Uint8Array(128);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  /** @returns {Uint8Array} what was written */
  done() {
    return this.bytes.subarray(0, this.at);
  }

  /** @param {number} count */
  room(count) {
    if (this.at + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count));
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  /** @param {number} byte */
  byte(byte) {
    this.room(1);
    this.bytes[this.at++] = byte;
  }

  /**
   * A marker and a number of 1, 2 or 4 bytes behind it.
   * @param {number} marker
   * @param {number} width
   * @param {number} number
   */
  sized(marker, width, number) {
    this.room(1 + width);
    this.bytes[this.at] = marker;
    if (width === 1) this.view.setUint8(this.at + 1, number);
    else if (width === 2) this.view.setUint16(this.at + 1, number);
    else this.view.setUint32(this.at + 1, number);
    this.at += 1 + width;
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /**
   * The head of something with a length: the short form, or a marker for 1, 2 or 4 bytes.
   * @param {number} length
   * @param {number} short base of the short form
   * @param {number} shortMax first length that has none
   * @param {number[]} markers for 1, 2 and 4 bytes; 0 where there is none
   */
  head(length, short, shortMax, [one, two, four]) {
    if (length < shortMax) this.byte(short | length);
    else if (one && length < 0x100) this.sized(one, 1, length);
    else if (length < 0x10000) this.sized(two, 2, length);
    else this.sized(four, 4, length);
  }

  /** @param {number} length */
  array(length) {
    this.head(length, 0x90, 16, [0, 0xdc, 0xdd]);
  }

  /** @param {number} value */
  number(value) {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0 && value < 0x80) return this.byte(value);
      if (value < 0 && value >= -32) return this.byte(value & 0xff);
      if (value >= 0 && value < 0x100) return this.sized(0xcc, 1, value);
      if (value >= 0 && value < 0x10000) return this.sized(0xcd, 2, value);
      if (value >= 0 && value <= 0xffffffff) return this.sized(0xce, 4, value);
      this.room(9);
      this.bytes[this.at] = value < 0 ? 0xd3 : 0xcf;
      this.view.setBigInt64(this.at + 1, BigInt(value));
    } else {
      this.room(9);
      this.bytes[this.at] = 0xcb;
      this.view.setFloat64(this.at + 1, value);
    }
    this.at += 9;
  }

  /**
   * Any value that JSON has, or bytes. What JSON leaves out (undefined, functions) is left out here too.
   * @param {any} value
   * @param {number} [depth]
   */
  value(value, depth = 0) {
    if (depth > DEPTH_MAX) throw new TypeError('the value is nested too deep or refers to itself');
    if (typeof value?.toJSON === 'function') value = value.toJSON();
    if (value === null || value === undefined || typeof value === 'function') this.byte(0xc0);
    else if (typeof value === 'boolean') this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'string') {
      const bytes = utf8.encode(value);
      this.head(bytes.length, 0xa0, 32, [0xd9, 0xda, 0xdb]);
      this.raw(bytes);
    } else if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      const bytes = ArrayBuffer.isView(value)
        ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
        : new Uint8Array(value);
      this.head(bytes.length, 0, 0, [0xc4, 0xc5, 0xc6]);
      this.raw(bytes);
    } else if (Array.isArray(value)) {
      this.array(value.length);
      for (const item of value) this.value(item, depth + 1);
    } else if (typeof value === 'object') {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined && typeof item !== 'function');
      this.head(entries.length, 0x80, 16, [0, 0xde, 0xdf]);
      for (const [key, item] of entries) {
        this.value(key, depth + 1);
        this.value(item, depth + 1);
      }
    } else throw new TypeError(`a ${typeof value} cannot be sent`);
  }
}

/**
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function encode(value) {
  const writer = new Writer();
  writer.value(value);
  return writer.done();
}

/**
 * @param {Uint8Array} bytes one whole value
 * @returns {any}
 */
export function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  const take = (/** @type {number} */ count) => {
    if (at + count > bytes.length) throw new RangeError('the bytes end too early');
    at += count;
    return at - count;
  };
  const size = (/** @type {number} */ width) => {
    const from = take(width);
    return width === 1 ? view.getUint8(from) : width === 2 ? view.getUint16(from) : view.getUint32(from);
  };
  const str = (/** @type {number} */ length) => text.decode(bytes.subarray(take(length), at));
  const bin = (/** @type {number} */ length) => bytes.slice(take(length), at);
  const wide = (/** @type {bigint} */ value) => {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  };
  const list = (/** @type {number} */ length, /** @type {number} */ depth) => {
    const items = [];
    for (let index = 0; index < length; index += 1) items.push(read(depth + 1));
    return items;
  };
  const map = (/** @type {number} */ length, /** @type {number} */ depth) => {
    /** @type {Record<string, unknown>} */
    const object = {};
    for (let index = 0; index < length; index += 1) {
      const key = String(read(depth + 1));
      // Assigning would call the setter of __proto__ instead of making a key.
      Object.defineProperty(object, key, { value: read(depth + 1), writable: true, enumerable: true, configurable: true });
    }
    return object;
  };

  /**
   * @param {number} depth
   * @returns {any}
   */
  const read = (depth) => {
    if (depth > DEPTH_MAX) throw new RangeError('the value is nested too deep');
    const marker = view.getUint8(take(1));
    if (marker < 0x80) return marker;
    if (marker < 0x90) return map(marker & 0x0f, depth);
    if (marker < 0xa0) return list(marker & 0x0f, depth);
    if (marker < 0xc0) return str(marker & 0x1f);
    if (marker >= 0xe0) return marker - 0x100;
    switch (marker) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return bin(size(1));
      case 0xc5: return bin(size(2));
      case 0xc6: return bin(size(4));
      case 0xca: return view.getFloat32(take(4));
      case 0xcb: return view.getFloat64(take(8));
      case 0xcc: return size(1);
      case 0xcd: return size(2);
      case 0xce: return size(4);
      case 0xcf: return wide(view.getBigUint64(take(8)));
      case 0xd0: return view.getInt8(take(1));
      case 0xd1: return view.getInt16(take(2));
      case 0xd2: return view.getInt32(take(4));
      case 0xd3: return wide(view.getBigInt64(take(8)));
      case 0xd9: return str(size(1));
      case 0xda: return str(size(2));
      case 0xdb: return str(size(4));
      case 0xdc: return list(size(2), depth);
      case 0xdd: return list(size(4), depth);
      case 0xde: return map(size(2), depth);
      case 0xdf: return map(size(4), depth);
      default: throw new RangeError(`the marker 0x${marker.toString(16)} is not supported`);
    }
  };

  const value = read(0);
  if (at !== bytes.length) throw new RangeError('there is more than one value');
  return value;
}
