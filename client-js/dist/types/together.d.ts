/**
 * @typedef {{ item: object, resolve: (answer: any) => void, reject: (error: unknown) => void }} Waiting
 */
/** Collects what is asked until the running code has come to its end. */
export class Together {
    /**
     * @param {(item: any) => Promise<any>} one asks for one item
     * @param {(items: any[]) => Promise<any[]>} each asks for several, and gives what came of each: its answer, or `{ error }`
     */
    constructor(one: (item: any) => Promise<any>, each: (items: any[]) => Promise<any[]>);
    one: (item: any) => Promise<any>;
    each: (items: any[]) => Promise<any[]>;
    /** @type {Waiting[]} */
    waiting: Waiting[];
    /**
     * @param {object} item
     * @returns {Promise<any>} the answer to this item
     */
    add(item: object): Promise<any>;
    leave(): void;
    /** @param {Waiting[]} part */
    send(part: Waiting[]): Promise<void>;
}
export type Waiting = {
    item: object;
    resolve: (answer: any) => void;
    reject: (error: unknown) => void;
};
