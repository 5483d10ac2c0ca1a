// Accounts as a page or a script uses them, against the real binary.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, before, test } from 'node:test';

import { Starling } from '../src/node.js';
import { cable } from './cable.js';
import { root, startServer, until } from './helper.js';

const PASSWORD = 'correct horse';
const cheap = { HELIOS__AUTH__BCRYPT_COST: '4', HELIOS__AUTH__ATTEMPTS: '0', HELIOS__LIMITS__ENABLED: 'false' };
const admin = { HELIOS_ADMIN_USER: 'root', HELIOS_ADMIN_PASSWORD: 'root password' };
const dir = mkdtempSync(join(tmpdir(), 'helios-accounts-'));
const config = join(dir, 'accounts.toml');
writeFileSync(
  config,
  `[topics.namespaces.room]
subscribe = "users"
publish = "users"
[topics.namespaces.staff]
subscribe = "permission"
`,
);

let server;
before(async () => {
  server = await startServer(['serve', '--config', config], { ...cheap, ...admin });
});
after(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

let count = 0;
/** A client with an account of its own. */
async function somebody(options = {}, to = server) {
  const name = `user-${(count += 1)}`;
  const client = new Starling(to.url, { backoffMin: 10, ...options });
  await client.connect();
  await client.account.register(name, PASSWORD);
  await client.account.login(name, PASSWORD);
  return { client, name };
}

async function asAdmin(to, method, path, body) {
  const json = { 'content-type': 'application/json' };
  const login = JSON.stringify({ username: 'root', password: 'root password' });
  const { token } = await (await fetch(`${to.http}/api/v1/auth/login`, { method: 'POST', headers: json, body: login })).json();
  const headers = { ...json, authorization: `Bearer ${token}` };
  return fetch(`${to.http}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
}

test('the example runs against a server with TLS', async () => {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=127.0.0.1'];
  execFileSync('openssl', [...made, '-addext', 'subjectAltName=IP:127.0.0.1'], { stdio: 'ignore' });
  const tls = { HELIOS__GATEWAY__TLS__CERT: cert, HELIOS__GATEWAY__TLS__KEY: key };
  const safe = await startServer(['serve', '--config', config], { ...cheap, ...admin, ...tls });
  try {
    const env = { ...process.env, ...admin, NODE_EXTRA_CA_CERTS: cert };
    const script = join(root, 'client-js/examples/accounts.js');
    assert.match(safe.url, /^wss:/);
    const { stdout } = await promisify(execFile)(process.execPath, [script, safe.url], { env, timeout: 30_000 });
    assert.deepEqual(stdout.trim().split('\n').map((line) => JSON.parse(line)), [
      { what: 'logged in', more: 'ann' },
      { what: 'subscribed to room:one', more: 'hello' },
      { what: 'refused staff:one', more: 'topic:subscribe:staff' },
      { what: 'refreshed', more: true },
      { what: 'thrown out', more: { status: 200, reason: 'revoked', code: 4013 } },
    ]);
  } finally {
    await safe.stop();
  }
});

test('a new session is told whose it is before anything else is asked', async () => {
  const line = await cable(server.port);
  const { client } = await somebody({}, { ...server, url: line.url ?? `ws://127.0.0.1:${line.port}/ws` });
  await client.subscribe('room:one', () => {}).ready;
  // The session is lost with the connection, and calls wait meanwhile.
  client.session.forget();
  const lost = new Promise((resolve) => client.events.on('disconnected', resolve));
  line.cut();
  await lost;
  const asked = client.account.me();
  assert.match((await asked).username, /^user-/);
  const { delivered } = await client.publish('room:one', 1);
  assert.equal(delivered, 1, 'the subscription is there again');
  client.disconnect();
  line.close();
});

test('tokens are replaced in time, and a resumed session goes on', async () => {
  const short = await startServer(['serve'], { ...cheap, HELIOS__AUTH__ACCESS_LIFETIME: '2s' });
  try {
    const { client } = await somebody({}, short);
    const first = client.account.accessToken;
    const left = [];
    client.events.on('disconnected', (event) => left.push(event));
    await until('there is another token', () => client.account.accessToken !== first);
    const second = client.account.accessToken;
    await until('and another one', () => client.account.accessToken !== second);
    assert.ok((await client.account.me()).username);
    assert.deepEqual(left, [], 'without a reconnect');
    client.disconnect();
  } finally {
    await short.stop();
  }
});

test('an account survives a reload of the page, even if its token has ended meanwhile', async () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  const { client, name } = await somebody({ storage });
  client.disconnect();
  for (const change of [(login) => login, (login) => ({ ...login, expiresAt: 0 }), (login) => ({ ...login, accessToken: 'a.b.c' })]) {
    const key = [...kept.keys()].find((name) => name.startsWith('helios:account:'));
    kept.set(key, JSON.stringify(change(JSON.parse(kept.get(key)))));
    // A page without the session, as a new tab is.
    for (const other of [...kept.keys()]) if (other !== key) kept.delete(other);
    const page = new Starling(server.url, { storage });
    assert.equal(page.account.user.username, name);
    await page.connect();
    assert.equal((await page.account.me()).username, name);
    page.disconnect();
  }
});

test('who is thrown out hears why, and is nobody from then on', async () => {
  const { client, name } = await somebody();
  const told = [];
  client.events.on('account', (event) => told.push(event));
  assert.equal((await asAdmin(server, 'PATCH', `/admin/users/${name}`, { disabled: true })).status, 200);
  await until('it is told', () => told.length === 1 && client.state === 'disconnected');
  assert.deepEqual(told, [{ user: null, reason: 'revoked' }]);
  assert.equal(client.account.accessToken, null);
  await client.connect();
  await assert.rejects(client.account.me(), { code: 'UNAUTHENTICATED' });
  await assert.rejects(client.account.login(name, PASSWORD), { code: 'INVALID_CREDENTIALS' });
  client.disconnect();
});

test('logging out leaves the connection, and nothing of the account', async () => {
  const { client, name } = await somebody();
  await client.account.logout();
  assert.equal(client.account.user, null);
  await assert.rejects(client.account.me(), { code: 'UNAUTHENTICATED' });
  await client.account.login(name, PASSWORD);
  await client.account.changePassword(PASSWORD, 'better horse');
  assert.equal((await client.account.me()).username, name);
  client.disconnect();
  const other = new Starling(server.url);
  await other.connect();
  const given = await (await fetch(`${server.http}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: name, password: 'better horse' }),
  })).json();
  const me = await other.account.use({ accessToken: given.token, refreshToken: given.refresh_token });
  assert.equal(me.username, name);
  assert.equal(await other.account.refresh(), true);
  other.disconnect();
});
