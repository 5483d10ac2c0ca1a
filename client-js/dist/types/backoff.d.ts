/**
 * How long to wait before the next attempt: a random time up to a limit that doubles, so that a thousand
 * clients that lost one server do not come back at one moment.
 */
export class Backoff {
    /** @param {{ backoffMin: number, backoffMax: number, random: () => number }} options */
    constructor({ backoffMin, backoffMax, random }: {
        backoffMin: number;
        backoffMax: number;
        random: () => number;
    });
    min: number;
    max: number;
    random: () => number;
    attempts: number;
    /** @returns {number} milliseconds */
    next(): number;
    reset(): void;
}
