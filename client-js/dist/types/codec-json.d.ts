export namespace json {
    let subprotocol: string;
    /**
     * @param {import('./message.js').Message} message
     * @returns {string}
     */
    function encode(message: import("./message.js").Message): string;
    /**
     * @param {string | ArrayBuffer} frame
     * @returns {import('./message.js').Decoded}
     */
    function decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
}
