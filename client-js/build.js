// Builds the bundles that the server hands out at /helios.js and /helios-core.js, and the declarations.
// `node build.js --check` writes nothing and fails if they are not fresh.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const check = process.argv.includes('--check');
const out = check ? mkdtempSync(join(tmpdir(), 'helios-client-')) : join(root, 'dist');

// Everything, the half without sessions, and what works on jobs.
const bundles = { 'helios.js': 'src/index.js', 'helios-core.js': 'src/core.js', 'helios-worker.js': 'src/worker.js' };
for (const [bundle, entry] of Object.entries(bundles)) await build({
  entryPoints: [join(root, entry)],
  outfile: join(out, bundle),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  banner: { js: '/* Helios client, MIT licence. Built from client-js/src by `make client`. */' },
});
const tsc = join(root, 'node_modules/typescript/bin/tsc');
if (!check) rmSync(join(out, 'types'), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json'), '--outDir', join(out, 'types')], {
  stdio: 'inherit',
});

if (check) {
  const files = (dir) => [...Object.keys(bundles), ...readdirSync(join(dir, 'types')).map((name) => join('types', name))].sort();
  const read = (dir) => files(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]);
  const fresh = JSON.stringify(read(out)) === JSON.stringify(read(join(root, 'dist')));
  rmSync(out, { recursive: true });
  if (!fresh) {
    console.error('client-js/dist is not fresh: run `make client` and commit what it writes');
    process.exit(1);
  }
}
