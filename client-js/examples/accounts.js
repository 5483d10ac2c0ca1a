// Accounts from a script: makes one, logs in, subscribes to what it may and is refused what it may not, stays logged in
// over the open connection, and is thrown out. Start a server with accounts and a namespace for users:
//
//   HELIOS_ADMIN_USER=root HELIOS_ADMIN_PASSWORD='root password' helios serve --config accounts.toml
//   node accounts.js ws://127.0.0.1:8080/ws
//
// where accounts.toml has
//
//   [topics.namespaces.room]
//   subscribe = "users"
//   publish = "users"
//   [topics.namespaces.staff]
//   subscribe = "permission"
//
// With TLS it is wss://, and NODE_EXTRA_CA_CERTS names a certificate that Node does not know by itself.
import { pathToFileURL } from 'node:url';

import { Starling } from '../src/node.js';

/**
 * @param {string} url
 * @param {(what: string, more?: any) => void} tell
 */
export async function story(url, tell) {
  const http = url.replace(/^ws/, 'http').replace(/\/ws$/, '');
  const ann = new Starling(url);
  await ann.connect();

  const { userId } = await ann.account.register('ann', 'correct horse');
  await ann.account.login('ann', 'correct horse');
  tell('logged in', (await ann.account.me()).username);

  const heard = new Promise((resolve) => ann.subscribe('room:one', resolve));
  await ann.subscription('room:one').ready;
  await ann.publish('room:one', 'hello');
  tell('subscribed to room:one', await heard);

  const refused = await ann.subscribe('staff:one').ready.catch((error) => error);
  tell('refused staff:one', refused.details.permission);

  const before = ann.account.accessToken;
  await ann.account.refresh();
  tell('refreshed', ann.account.accessToken !== before && (await ann.account.me()).userId === userId);

  // The administrator, over HTTP, with the same account that works on sockets.
  const json = { 'content-type': 'application/json' };
  const body = JSON.stringify({ username: 'root', password: process.env.HELIOS_ADMIN_PASSWORD });
  const { token } = await (await fetch(`${http}/api/v1/auth/login`, { method: 'POST', headers: json, body })).json();
  const admin = { authorization: `Bearer ${token}` };
  const out = new Promise((resolve) => ann.events.on('account', resolve));
  const closed = new Promise((resolve) => ann.events.on('disconnected', resolve));
  const answer = await fetch(`${http}/admin/users/ann/logout`, { method: 'POST', headers: admin });
  tell('thrown out', { status: answer.status, reason: (await out).reason, code: (await closed).code });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const url = process.argv[2] ?? 'ws://127.0.0.1:8080/ws';
  await story(url, (what, more = '') => console.log(JSON.stringify({ what, more })));
}
