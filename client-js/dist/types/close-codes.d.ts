/**
 * The codes of the public table, `protocol-spec/close-codes.json`; a test holds the two together. After a
 * code that is not here, the client connects again.
 * @type {Readonly<Record<number, { name: string, reconnect: boolean }>>}
 */
export const CLOSE_CODES: Readonly<Record<number, {
    name: string;
    reconnect: boolean;
}>>;
