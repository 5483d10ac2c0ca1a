export class NodeWebSocket {
    /**
     * @param {string} url
     * @param {string[]} [protocols]
     */
    constructor(url: string, protocols?: string[]);
    binaryType: string;
    /** The subprotocol that the server chose. */
    protocol: string;
    /** @type {(() => void) | null} */
    onopen: (() => void) | null;
    /** @type {((event: { data: string | ArrayBuffer }) => void) | null} */
    onmessage: ((event: {
        data: string | ArrayBuffer;
    }) => void) | null;
    /** @type {((event: { code: number, reason: string }) => void) | null} */
    onclose: ((event: {
        code: number;
        reason: string;
    }) => void) | null;
    /** @type {((error: Error) => void) | null} */
    onerror: ((error: Error) => void) | null;
    /** @type {import('node:net').Socket | null} */
    socket: import("node:net").Socket | null;
    /** @type {Buffer} */
    buffer: Buffer;
    /** @type {Buffer[]} */
    fragments: Buffer[];
    opcode: number;
    closing: boolean;
    ended: boolean;
    /**
     * @param {string} url
     * @param {string[]} protocols
     */
    handshake(url: string, protocols: string[]): void;
    request: import("http").ClientRequest | undefined;
    /** @param {import('node:net').Socket} socket */
    attach(socket: import("node:net").Socket): void;
    /** @param {string | ArrayBuffer | Uint8Array} data */
    send(data: string | ArrayBuffer | Uint8Array): void;
    /**
     * @param {number} [code]
     * @param {string} [reason]
     */
    close(code?: number, reason?: string): void;
    /**
     * @param {number} opcode
     * @param {Buffer} payload
     */
    frame(opcode: number, payload: Buffer): void;
    /** @param {Buffer} data */
    take(data: Buffer): void;
    /**
     * @param {number} opcode
     * @param {boolean} final
     * @param {Buffer} payload
     */
    handle(opcode: number, final: boolean, payload: Buffer): void;
    /**
     * @param {number} code
     * @param {string} reason
     */
    fail(code: number, reason: string): void;
    /**
     * @param {number} code
     * @param {string} reason
     */
    finish(code: number, reason: string): void;
}
