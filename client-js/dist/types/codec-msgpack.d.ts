export namespace msgpack {
    let subprotocol: string;
    /**
     * @param {import('./message.js').Message} message
     * @returns {Uint8Array}
     */
    function encode(message: import("./message.js").Message): Uint8Array;
    /**
     * @param {string | ArrayBuffer} frame
     * @returns {import('./message.js').Decoded}
     */
    function decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
}
