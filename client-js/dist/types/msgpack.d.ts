/**
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function encode(value: unknown): Uint8Array;
/**
 * @param {Uint8Array} bytes one whole value
 * @returns {any}
 */
export function decode(bytes: Uint8Array): any;
/** Writes values one after the other into one growing buffer. */
export class Writer {
    bytes: Uint8Array<ArrayBuffer>;
    view: DataView<ArrayBuffer>;
    at: number;
    /** @returns {Uint8Array} what was written */
    done(): Uint8Array;
    /** @param {number} count */
    room(count: number): void;
    /** @param {number} byte */
    byte(byte: number): void;
    /**
     * A marker and a number of 1, 2 or 4 bytes behind it.
     * @param {number} marker
     * @param {number} width
     * @param {number} number
     */
    sized(marker: number, width: number, number: number): void;
    /** @param {Uint8Array} bytes */
    raw(bytes: Uint8Array): void;
    /**
     * The head of something with a length: the short form, or a marker for 1, 2 or 4 bytes.
     * @param {number} length
     * @param {number} short base of the short form
     * @param {number} shortMax first length that has none
     * @param {number[]} markers for 1, 2 and 4 bytes; 0 where there is none
     */
    head(length: number, short: number, shortMax: number, [one, two, four]: number[]): void;
    /** @param {number} length */
    array(length: number): void;
    /** @param {number} value */
    number(value: number): void;
    /**
     * Any value that JSON has, or bytes. What JSON leaves out (undefined, functions) is left out here too.
     * @param {any} value
     * @param {number} [depth]
     */
    value(value: any, depth?: number): void;
}
