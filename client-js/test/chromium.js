// Where Chromium is on this machine. Run by itself it prints the path, and fails if there is none.
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const candidates = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

export const chromiumPath = candidates.find((path) => path && existsSync(path));

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(chromiumPath ?? 'none');
  process.exitCode = chromiumPath ? 0 : 1;
}
