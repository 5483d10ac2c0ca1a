// The client without sessions, subscriptions and the compact codec: half of it, for pages where every byte counts.
export { Starling } from './starling.js';
export { ERROR_CODES } from './error-codes.js';
export { CLOSE_CODES } from './close-codes.js';
export { CancelledError, ConnectionError, ProtocolError, RequestError, StarlingError, TimeoutError } from './errors.js';
