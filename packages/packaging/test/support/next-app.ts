import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from '../../../../server/test/support/free-ports.ts';
import { endWithTests } from '../../../../server/test/support/process.ts';

export const NEXT_PACKAGES = ['next', 'react', 'react-dom', '@openfeature/react-sdk'];

const APP = join(import.meta.dirname, '../fixtures/next');

/** Adds an application with a server component and a client component to `directory`. */
export const writeNextApp = (directory: string): void =>
  cpSync(APP, directory, { recursive: true });

/** Starts a built application. Resolves when it serves requests. */
export const startNextApp = async (
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly url: string; [Symbol.asyncDispose](): Promise<void> }> => {
  const port = await freePort();
  const next = join(directory, 'node_modules/next/dist/bin/next');
  const args = [next, 'start', '--hostname', '127.0.0.1', '--port', String(port)];
  const child = spawn(process.execPath, args, {
    cwd: directory,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  endWithTests(child);
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    if (output.includes('Ready in')) break;
  }
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, 'exit');
    },
  };
};
