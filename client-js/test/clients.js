// Clients for tests, which are gone when a test is over.
import { afterEach } from 'node:test';

import { Starling } from '../src/node.js';
import { cable } from './cable.js';

/**
 * Clients of a server, straight or over a cable that can be cut. `server` gives the one of the moment.
 * @param {() => { url: string, port: number }} server
 */
export function clients(server) {
  const open = [];
  const cables = [];
  afterEach(async () => {
    open.splice(0).forEach((client) => client.disconnect());
    for (const line of cables.splice(0)) await line.close();
  });

  async function connected(options = {}, url = server().url) {
    const client = new Starling(url, { backoffMin: 5, backoffMax: 20, ...options });
    open.push(client);
    const token = client.session && client.events.once('token');
    await client.connect();
    await token;
    return client;
  }

  async function wired(options = {}, to = server()) {
    const line = await cable(to.port);
    cables.push(line);
    return { line, client: await connected(options, line.url) };
  }

  return { open, cables, connected, wired };
}
