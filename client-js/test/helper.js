// Starts the real binary on a free port for a test file.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const binary = process.env.HELIOS_BIN ?? join(root, 'target/debug/helios');

/**
 * @param {string[]} [args]
 * @param {Record<string, string>} [env]
 */
export async function startServer(args = [], env = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'helios-js-'));
  const own = args.includes('--data-dir') ? [] : ['--data-dir', dir];
  const child = spawn(binary, [...args, '--listen', env.LISTEN ?? ':0', ...own], {
    env: { HELIOS__TELEMETRY__LOG_LEVEL: 'debug', ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told = [];
  createInterface(child.stdout).on('line', (line) => SECRET.test(line) && told.push(line));
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const { url, store } = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    const found = {};
    createInterface(child.stderr).on('line', (line) => {
      found.url ??= line.match(/WebSocket\s+(\S+)/)?.[1];
      found.store ??= line.match(/Store\s+redis:\/\/(\S+)/)?.[1];
      if (/Health\s/.test(line)) resolve(found);
    });
  });
  return {
    url,
    // Host and port of the store's port, if it has one.
    store,
    http: url.replace(/^ws/, 'http').replace(/\/ws$/, ''),
    port: Number(new URL(url).port),
    signal: (name) => child.kill(name),
    exited,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(dir, { recursive: true, force: true });
      assert.deepEqual(told, [], 'secrets were logged');
    },
  };
}

/** What no line of the log may have: passwords of tests, hashes, tokens, keys. */
const SECRET = /correct horse|root password|\$2[aby]\$\d\d\$[./\w]{50}|h(?:k|rt)_\w{32,36}_[\w-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]{43}/;

/** Waits until `holds`, never for a while. */
export async function until(what, holds, patience = 15_000) {
  const begin = Date.now();
  while (!(await holds())) {
    if (Date.now() - begin > patience) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
