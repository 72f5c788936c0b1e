import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { endWithTests } from '../../../../server/test/support/process.ts';

export const NEXT_PACKAGES = ['next', 'react', 'react-dom', '@openfeature/react-sdk'];

const FILES = {
  'app/layout.js': `
    export default function Layout({ children }) {
      return <html lang="en"><body>{children}</body></html>;
    }`,
  // Rendered on the server for each request, with the server provider.
  'app/page.js': `
    import { OpenFeature } from '@openfeature/server-sdk';
    import { PennonProvider } from '@pennon/server-provider';
    import { Checkout } from './checkout';

    export const dynamic = 'force-dynamic';

    let started;
    const start = () =>
      (started ??= OpenFeature.setProviderAndWait(
        new PennonProvider({ url: process.env.FLAGS_URL, key: process.env.FLAGS_SERVER_KEY }),
      ));

    export default async function Page() {
      await start();
      const isNew = await OpenFeature.getClient().getBooleanValue('new-checkout', false, {
        targetingKey: 'ada',
        plan: 'pro',
      });
      return (
        <main>
          <p id="server">{String(isNew)}</p>
          <Checkout url={process.env.FLAGS_URL} clientKey={process.env.FLAGS_CLIENT_KEY} />
        </main>
      );
    }`,
  // Rendered in the browser, with the web provider.
  'app/checkout.js': `
    'use client';
    import { OpenFeature, OpenFeatureProvider, useBooleanFlagValue } from '@openfeature/react-sdk';
    import { PennonWebProvider } from '@pennon/web-provider';
    import { useEffect } from 'react';

    const Value = () => <p id="browser">{String(useBooleanFlagValue('new-checkout', false))}</p>;

    export const Checkout = ({ url, clientKey }) => {
      useEffect(() => {
        OpenFeature.setProvider(new PennonWebProvider({ url, key: clientKey }), {
          targetingKey: 'ada',
          plan: 'pro',
        });
      }, [url, clientKey]);
      return <OpenFeatureProvider suspend={false}><Value /></OpenFeatureProvider>;
    };`,
};

/** Writes an application with a server component and a client component to `directory`. */
export const writeNextApp = (directory: string): void => {
  mkdirSync(join(directory, 'app'), { recursive: true });
  for (const [file, text] of Object.entries(FILES)) writeFileSync(join(directory, file), text);
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

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
