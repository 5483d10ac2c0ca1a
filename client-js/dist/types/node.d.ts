export { ERROR_CODES } from "./error-codes.js";
export { CLOSE_CODES } from "./close-codes.js";
/** A connection to a Helios server that keeps itself alive. See {@link BrowserStarling}. */
export class Starling extends BrowserStarling {
}
import { Starling as BrowserStarling } from './index.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from "./errors.js";
