/** All subscriptions of a client, by topic or pattern. */
export class Subscriptions {
    /** @param {import('./starling.js').Starling} starling */
    constructor(starling: import("./starling.js").Starling);
    starling: import("./index.js").Starling;
    /** @type {Map<string, Subscription>} */
    all: Map<string, Subscription>;
    /**
     * @param {string} topic
     * @param {PublicationHandler | undefined} handler
     * @param {SubscribeOptions} options
     */
    add(topic: string, handler: PublicationHandler | undefined, options: SubscribeOptions): Subscription;
    /** Where each of them stands, for a server that goes on from there. */
    places(): {
        [k: string]: string | null;
    };
    /**
     * There is a connection.
     * @param {Record<string, any> | undefined} told what the server says of each topic that it goes on with; nothing for a session that is new
     */
    connected(told: Record<string, any> | undefined): void;
    /**
     * A notification came.
     * @param {import('./message.js').Notification} message
     * @returns {Promise<unknown>[] | null} what handlers still do; null if no subscription wants it
     */
    handle({ topic, data, published }: import("./message.js").Notification): Promise<unknown>[] | null;
}
/** A subscription that outlives connections: what is missed in between is sent again, or told as a gap. */
export class Subscription {
    /**
     * @param {Subscriptions} all
     * @param {string} topic
     * @param {PublicationHandler | undefined} handler
     * @param {SubscribeOptions} options
     */
    constructor(all: Subscriptions, topic: string, handler: PublicationHandler | undefined, { since, filter, presence, onGap }?: SubscribeOptions);
    all: Subscriptions;
    topic: string;
    matches: RegExp;
    handler: PublicationHandler | undefined;
    options: {
        filter: Record<string, string | string[]> | undefined;
        presence: boolean | undefined;
    };
    /** `subscribing`, `subscribed` or `unsubscribed`. @type {SubscriptionEvents['state']} */
    state: SubscriptionEvents["state"];
    /** The position of the last publication that was handled, to go on from in another session. @type {string | null} */
    position: string | null;
    /** The position of the last one that came. */
    seen: string | null;
    /** The server was asked and has not answered. */
    asking: boolean;
    /** @type {Emitter<SubscriptionEvents>} */
    events: Emitter<SubscriptionEvents>;
    /** Publications that are not handled yet, the oldest first. @type {{ position: string | null, attempt: number, done: boolean }[]} */
    open: {
        position: string | null;
        attempt: number;
        done: boolean;
    }[];
    /** The attempts that the positions above are of. */
    seenIn: number;
    handledIn: number;
    /** Whoever goes through publications as they come. Without a handler they wait for the first of them. */
    /** @type {Waiting[]} */
    iterations: Waiting[];
    /** @type {Waiting | null} */
    waiting: Waiting | null;
    /** Tells answers to what was asked before from those to what was asked last. */
    attempt: number;
    ready: Promise<void>;
    settle: (error: Error | null) => void;
    /**
     * Calls a listener with what happens to the subscription: `state`, `gap`, `presence`, `error`.
     * @template {keyof SubscriptionEvents} Name
     * @param {Name} name
     * @param {(event: SubscriptionEvents[Name]) => void} listener
     * @returns {() => void} takes the listener away
     */
    on<Name extends keyof SubscriptionEvents>(name: Name, listener: (event: SubscriptionEvents[Name]) => void): () => void;
    /**
     * Publishes on the topic.
     * @param {unknown} data
     * @param {import('./index.js').PublishOptions} [options]
     */
    publish(data: unknown, options?: import("./index.js").PublishOptions): Promise<{
        position: string;
        delivered: number;
    }>;
    /**
     * The last publications, or those since a position.
     * @param {{ since?: string, limit?: number }} [options]
     * @returns {Promise<{ position: string, publications: (Publication & { at: number })[], more?: boolean }>}
     */
    history(options?: {
        since?: string;
        limit?: number;
    }): Promise<{
        position: string;
        publications: (Publication & {
            at: number;
        })[];
        more?: boolean;
    }>;
    /**
     * Everybody who is there.
     * @param {{ by?: 'session' | 'user' }} [options]
     * @returns {Promise<{ session?: string, user?: string, sessions?: number, since?: number, away?: boolean }[]>}
     */
    members({ by }?: {
        by?: "session" | "user";
    }): Promise<{
        session?: string;
        user?: string;
        sessions?: number;
        since?: number;
        away?: boolean;
    }[]>;
    /** Ends it. */
    unsubscribe(): Promise<void>;
    /** @param {SubscriptionEvents['state']} state */
    enter(state: SubscriptionEvents["state"]): void;
    /** Asks the server for it. */
    begin(): Promise<void>;
    /** @param {any} told what the server says of it */
    begun(told: any): void;
    /** @param {any} told what the server says of it, if it goes on with it */
    connected(told: any): undefined;
    /** Who is there may have changed while we were not. */
    refresh(): Promise<void>;
    /**
     * @param {string} reason
     * @param {number | null} missed
     */
    gap(reason: string, missed: number | null): void;
    /**
     * @param {string} topic
     * @param {any} data
     */
    told(topic: string, data: any): void;
    /**
     * @param {Publication} publication
     * @returns {Promise<unknown>[]} what handlers still do
     */
    receive(publication: Publication): Promise<unknown>[];
    /** @param {Error} error */
    end(error: Error): void;
    /**
     * Goes through publications as they come; ends when the subscription does. One counts as handled when the next one is
     * asked for.
     * @returns {AsyncGenerator<Publication, void, void>}
     */
    [Symbol.asyncIterator](): AsyncGenerator<Publication, void, void>;
}
/**
 * Publications are missing: `reason` is `slow` (we read too slowly, `missed` tells how many), or what the server says about
 * a position that it could not go on from.
 */
export type Publication = {
    data: any;
    topic: string;
    position: string | null;
    tags: Record<string, string>;
};
/**
 * Who has come and left. With `truncated` only the counts are told: ask `members()` for names.
 */
export type Gap = {
    reason: string;
    missed: number | null;
    position: string | null;
};
/**
 * What was published, and where.
 */
export type Presence = {
    joined: {
        user?: string;
        session?: string;
    }[];
    left: {
        user?: string;
        session?: string;
    }[];
    sessions: number;
    users: number;
    anonymous: number;
    version: number;
    truncated?: boolean;
};
/**
 * What was published, and where.
 */
export type SubscribeOptions = {
    /**
     * the position of the last publication that you have; what came after it is sent again
     */
    since?: string | undefined;
    /**
     * tags that publications must have, chosen by the server
     */
    filter?: Record<string, string | string[]> | undefined;
    /**
     * be told who comes and leaves, as event `presence`
     */
    presence?: boolean | undefined;
    /**
     * publications are missing: fetch what you need anew
     */
    onGap?: ((gap: Gap) => void) | undefined;
};
/**
 * What was published, and where.
 */
export type SubscriptionEvents = {
    state: "subscribing" | "subscribed" | "unsubscribed";
    gap: Gap;
    presence: Presence;
    error: Error;
};
/**
 * What was published, and where.
 */
export type PublicationHandler = (data: any, publication: Publication) => unknown;
import { Emitter } from './emitter.js';
/** Publications that wait to be gone through. */
declare class Waiting {
    /** @param {Subscription} subscription */
    constructor(subscription: Subscription);
    subscription: Subscription;
    /** @type {{ publication: Publication, done: () => void }[]} */
    items: {
        publication: Publication;
        done: () => void;
    }[];
    wake: () => void;
    /**
     * @param {Publication} publication
     * @returns {Promise<void>} settles when it was handled
     */
    add(publication: Publication): Promise<void>;
}
export {};
