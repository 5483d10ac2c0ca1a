/** @typedef {{ topic: string, data: unknown, position: string, tags: Record<string, string>, at: number }} FakePublication */
/** The topics of the fake server: each remembers everything, and its positions are numbers. */
export class FakeTopics {
    /** @param {import('./testing.js').FakeServer} server */
    constructor(server: import("./testing.js").FakeServer);
    server: import("./testing.js").FakeServer;
    /** @type {Map<string, FakePublication[]>} */
    topics: Map<string, FakePublication[]>;
    /** @param {string} topic */
    past(topic: string): FakePublication[];
    /** @param {string} session */
    of(session: string): Map<any, any>;
    /**
     * @param {string} session
     * @param {string} topic
     * @param {string | undefined} since
     * @param {Record<string, string | string[]>} filter
     */
    subscribe(session: string, topic: string, since: string | undefined, filter: Record<string, string | string[]>): {
        recovered?: boolean | undefined;
        replayed?: number | undefined;
        topic: string;
        position: string;
    };
    /**
     * @param {string} session
     * @param {string} topic
     * @param {import('./testing.js').FakeSubscription} entry
     */
    release(session: string, topic: string, entry: import("./testing.js").FakeSubscription): void;
    /**
     * What a session is told of its topics when it is back; {@link FakeTopics.resumed} sends the rest.
     * @param {string} session
     * @param {Record<string, string>} places
     */
    resuming(session: string, places: Record<string, string>): Record<string, any>;
    /** @param {string} session */
    resumed(session: string): void;
    /**
     * @param {string} topic
     * @param {unknown} data
     * @param {Record<string, string>} [tags]
     */
    publish(topic: string, data: unknown, tags?: Record<string, string>): {
        position: string;
        delivered: number;
    };
    /**
     * @param {string} session
     * @param {string} name
     * @param {import('./testing.js').FakeSubscription} entry
     * @param {FakePublication} publication
     */
    deliver(session: string, name: string, { filter }: import("./testing.js").FakeSubscription, { topic, data, position, tags }: FakePublication): boolean;
}
export type FakePublication = {
    topic: string;
    data: unknown;
    position: string;
    tags: Record<string, string>;
    at: number;
};
