export { ERROR_CODES } from "./error-codes.js";
export { CLOSE_CODES } from "./close-codes.js";
export { JobError } from "./jobs.js";
/** @typedef {Omit<import('./requests.js').RequestOptions, 'idempotent' | 'peer'> & { tags?: Record<string, string> }} PublishOptions */
/** A connection to a Helios server that keeps itself alive, and a session that outlives it. See {@link Core}. */
export class Starling extends Core {
    static Account: typeof Account;
    static Session: typeof Session;
    static Subscriptions: typeof Subscriptions;
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
    /** Jobs: work in the background. */
    jobs: Jobs;
    /** Stops looking for a machine that wakes up. @type {(() => void) | null} */
    unwatch: (() => void) | null;
    /**
     * Subscribes to a topic, or a pattern of topics, of the server. The subscription outlives connections and sessions: it goes
     * on after the last publication that was handled, or tells of a gap.
     * @param {string} topic
     * @param {import('./subscriptions.js').PublicationHandler | import('./subscriptions.js').SubscribeOptions} [handler] gets each publication; there is also `for await`
     * @param {import('./subscriptions.js').SubscribeOptions} [options]
     * @returns {import('./subscriptions.js').Subscription}
     */
    subscribe(topic: string, handler?: import("./subscriptions.js").PublicationHandler | import("./subscriptions.js").SubscribeOptions, options?: import("./subscriptions.js").SubscribeOptions): import("./subscriptions.js").Subscription;
    /**
     * The subscription that there is to a topic or pattern.
     * @param {string} topic
     */
    subscription(topic: string): import("./subscriptions.js").Subscription | null;
    /**
     * Publishes on a topic.
     * @param {string} topic
     * @param {unknown} data
     * @param {PublishOptions} [options]
     * @returns {Promise<{ position: string, delivered: number }>} where, and to how many subscribers
     */
    publish(topic: string, data: unknown, options?: PublishOptions): Promise<{
        position: string;
        delivered: number;
    }>;
    /**
     * Ends the session and closes: its token is void, and nobody comes back to it.
     * @returns {Promise<void>}
     */
    end(): Promise<void>;
    /** The machine has slept, or the network is back: what looks alive is asked, what waits is done at once. */
    woken(): void;
}
export type PublishOptions = Omit<import("./requests.js").RequestOptions, "idempotent" | "peer"> & {
    tags?: Record<string, string>;
};
import { Starling as Core } from './starling.js';
import { Jobs } from './jobs.js';
import { Account } from './account.js';
import { Session } from './session.js';
import { Subscriptions } from './subscriptions.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from "./errors.js";
