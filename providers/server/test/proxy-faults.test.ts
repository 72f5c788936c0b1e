import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { until } from '../../../packages/sync/test/support/patience.ts';
import { PennonProvider } from '../src/index.ts';
import { openProvider } from './support/open.ts';

let proxy: Server;
let connections = { all: 0, open: 0 };
// Otherwise it is loaded while the first provider starts.
beforeAll(async () => void (await import('undici')));
afterEach(() => void proxy.close());

/** A proxy that treats each request as given. */
const startProxy = async (onRequest: (client: Socket) => void): Promise<void> => {
  const counts = { all: 0, open: 0 };
  connections = counts;
  proxy = createServer(client => {
    counts.all += 1;
    counts.open += 1;
    client.on('close', () => (counts.open -= 1));
    client.on('error', () => client.destroy());
    client.once('data', () => onRequest(client));
  });
  await new Promise<void>(resolve => void proxy.listen(0, '127.0.0.1', resolve));
};

const open = (url: string) => {
  const { port } = proxy.address() as AddressInfo;
  const address = `http://ada:s3cret@127.0.0.1:${port}`;
  return openProvider(new PennonProvider({ url, key: 'k', proxy: address, initTimeoutMs: 300 }));
};

const close = (client: Socket) => client.destroy();
const respond = (status: string, body: string) => (client: Socket) => {
  client.write(`HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  client.destroySoon();
};
const acceptAndClose = (client: Socket) => client.end('HTTP/1.1 200 OK\r\n\r\n');
const respondNonsense = (client: Socket) => client.end('hello\r\n\r\n');

const HTML = '<h1>refused by the proxy</h1>';
const respond407 = respond('407 Proxy Authentication Required', HTML);
const FAULTS: [string, (client: Socket) => void][] = [
  ['closes the connection', close],
  ['responds with 401', respond('401 Unauthorized', HTML)],
  ['responds with 403', respond('403 Forbidden', HTML)],
  ['responds with 407', respond407],
  ['responds with 502', respond('502 Bad Gateway', HTML)],
  ['responds with something else', respondNonsense],
  ['accepts, and closes the connection', acceptAndClose],
];

describe.each(['http', 'https'])('a server with %s, and a proxy that', scheme => {
  it.each(FAULTS)('%s', async (_, onRequest) => {
    await startProxy(onRequest);
    const { provider, started } = open(`${scheme}://flags.test`);
    const message = await started;
    expect(message).toMatch(/^GENERAL: no flags available/);
    expect(message).not.toContain('s3cret');
    await until(() => connections.all > 0);
    // Requests are repeated after growing delays.
    expect(connections.all).toBeLessThan(12);
    await provider.onClose();
    await until(() => connections.open === 0);
  });

  it('never responds', async () => {
    await startProxy(() => undefined);
    const { provider, started } = open(`${scheme}://flags.test`);
    expect(await started).toMatch(/^GENERAL: no flags available: the server/);
    await until(() => connections.open > 0);
    await provider.onClose();
    await until(() => connections.open === 0);
  });
});

it.each([
  ['https', respond407, 'refuses a tunnel to flags.test:443 with 407'],
  ['https', close, 'opens no tunnel: socket hang up'],
  ['http', respond407, 'refuses the request with 407'],
])('with %s, the error names the proxy and the reason', async (scheme, onRequest, reason) => {
  await startProxy(onRequest);
  const { provider } = open(`${scheme}://flags.test`);
  const { port } = proxy.address() as AddressInfo;
  const named = `the proxy http://127.0.0.1:${port} ${reason}`;
  await expect.poll(() => provider.freshness().lastError?.message).toContain(named);
});

it('waits for a tunnel that is opened after a delay', async () => {
  let client: Socket | undefined;
  await startProxy(socket => (client ??= socket));
  const { started } = open('https://flags.test');
  await until(() => client !== undefined);
  const hello = new Promise<Buffer>(resolve => client?.once('data', resolve));
  client?.write('HTTP/1.1 200 OK\r\n\r\n');
  // A TLS handshake begins with 22.
  expect((await hello)[0]).toBe(22);
  client?.destroy();
  await started;
});
