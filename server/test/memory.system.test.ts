import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import { newDirectory, openStore } from './store/sqlite-directory.ts';
import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

const MIB = 1_048_576;

/** Returns the memory of all objects that are still used, in MiB. */
const usedMib = async (): Promise<number> => {
  // What ended in this turn is let go in a later one.
  await new Promise(resolve => void setImmediate(resolve));
  if (typeof collectGarbage === 'function') collectGarbage();
  return process.memoryUsage().heapUsed / MIB;
};

const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));

const createFlags = async (server: TestServer, count: number): Promise<void> => {
  const createdAt = '2026-01-01T00:00:00.000Z';
  const flags = times(count, index => ({
    key: `flag-${index}`,
    type: 'boolean',
    enabled: true,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    clientVisible: true,
    rules: [],
    tags: [],
    metadata: {},
    seed: `flag-${index}`,
    version: 1,
    createdAt,
    updatedAt: createdAt,
  }));
  const environments = [{ key: 'production', createdAt, flags, segments: [] }];
  const body = { formatVersion: 1, environments };
  const { status, text } = await server.request('POST', '/api/v1/import', { body });
  if (status !== 200) throw new Error(text);
};

describe('the memory of a server', () => {
  it('does not grow with each edit', async () => {
    const directory = newDirectory();
    // A server that starts with flags has its first view prepared.
    await using before = await startServer({ store: await openStore(directory) });
    await createFlags(before, 1_000);
    await before.close();
    await using server = await startServer({ store: await openStore(directory) });
    const values = (edit: number) => times(4_000, index => `${edit}-${index}-of-a-value`);
    const edit = async (first: number, count: number) => {
      for (let index = first; index < first + count; index += 1) {
        const condition = { attribute: 'plan', operator: 'in', value: values(index) };
        const body = { enabled: true, rules: [{ conditions: [condition], variant: 'on' }] };
        const { status, text } = await server.api('PUT', '/flags/edited', { body });
        if (status > 201) throw new Error(text);
      }
    };
    // The recent changes that followers can resume from are kept, up to 8 MiB.
    await edit(0, 120);
    const used = await usedMib();
    await edit(120, 120);
    // Each edit has 0.1 MiB of text, which takes more as objects.
    expect((await usedMib()) - used).toBeLessThan(8);
  });

  it('does not grow with the values that readers over tRPC have received', async () => {
    await using server = await startServer();
    await createFlags(server, 4_000);
    const url = await server.listen();
    const input = { environment: 'production', context: { targetingKey: 'user' } };
    const path = `/trpc/evaluation.watch?input=${encodeURIComponent(JSON.stringify(input))}`;
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    // A loop over the body would end the stream with its last step.
    const open = async () => {
      const { body } = await fetch(url + path, { headers });
      const reader = (body ?? new ReadableStream<Uint8Array>()).getReader();
      for (let text = ''; !(text.includes('"flag-999"') && text.endsWith('\n\n'));)
        text += Buffer.from((await reader.read()).value ?? []).toString();
      return reader;
    };
    const first = await open();
    const used = await usedMib();
    const readers = [];
    for (let reader = 0; reader < 40; reader += 1) readers.push(await open());
    // The objects of all values take 0.5 MiB for each reader.
    expect((await usedMib()) - used).toBeLessThan(8);
    for (const reader of [first, ...readers]) await reader.cancel();
  });
});
