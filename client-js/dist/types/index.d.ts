export { ERROR_CODES } from "./error-codes.js";
export { CLOSE_CODES } from "./close-codes.js";
/** A connection to a Helios server that keeps itself alive, and a session that outlives it. See {@link Core}. */
export class Starling extends Core {
    static Session: typeof Session;
    static codecs: {
        json: {
            subprotocol: string;
            encode(message: import("./message.js").Message): string;
            decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
        };
        msgpack: {
            subprotocol: string;
            encode(message: import("./message.js").Message): Uint8Array;
            decode(frame: string | ArrayBuffer): import("./message.js").Decoded;
        };
    };
    /** Stops looking for a machine that wakes up. @type {(() => void) | null} */
    unwatch: (() => void) | null;
    /**
     * Ends the session and closes: its token is void, and nobody comes back to it.
     * @returns {Promise<void>}
     */
    end(): Promise<void>;
    /** The machine has slept, or the network is back: what looks alive is asked, what waits is done at once. */
    woken(): void;
}
import { Starling as Core } from './starling.js';
import { Session } from './session.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from "./errors.js";
