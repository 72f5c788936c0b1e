import { existsSync } from 'node:fs';

import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

/** The Chromium of Debian, unless the variable CHROMIUM names another one. */
const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Only for a busy machine. */
export const TIMEOUT_MS = 90_000;

/** Starts a headless browser with an empty profile. */
export const startBrowser = (): Promise<Browser> => {
  if (!existsSync(executablePath)) {
    throw new Error(`no browser at ${executablePath}: install the Debian package "chromium"`);
  }
  return chromium.launch({ executablePath, headless: true, args: ARGUMENTS, timeout: TIMEOUT_MS });
};
