import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import zlib from 'node:zlib';

import { expect, it, vi } from 'vitest';

import { openReal } from './support/open.ts';

it.each([
  ['gzip', zlib.gzipSync],
  [
    'br',
    (bytes: Buffer) =>
      zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  ],
] as const)(
  'a body that is far larger than it looks is not read to its end, in %s',
  async (coding, pack) => {
    const bomb = pack(Buffer.alloc(600 * 1_048_576, ' '));
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(bomb);
    });
    await new Promise<void>(resolve => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    const { provider, client } = openReal({
      url: `http://127.0.0.1:${port}`,
      key: 'k',
      initTimeoutMs: 100,
    });
    await vi.waitUntil(
      () => provider.freshness().lastError?.message.includes('after decompression'),
      {
        timeout: 90_000,
      },
    );
    expect(await client.getBooleanValue('live', false)).toBe(false);
    await provider.onClose();
    server.closeAllConnections();
    server.close();
  },
);
