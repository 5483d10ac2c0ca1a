/**
 * The codes of the public table, `protocol-spec/errors.json`; a test holds the two together.
 * @type {Readonly<Record<string, { retryable: boolean }>>}
 */
export const ERROR_CODES: Readonly<Record<string, {
    retryable: boolean;
}>>;
