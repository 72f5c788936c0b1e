import { describe, expect, it } from 'vitest';

import { ADMIN_KEY, startServer, type TestServer } from './support/server.ts';
import { openSse } from './support/sse.ts';

/** Texts that only people read, each unique so that it is found wherever it leaks. */
const DESCRIPTIVE = {
  name: 'The visible title',
  description: 'Internal reasoning',
  tags: ['internal-tag'],
  owner: 'team-secret',
};
const FLAG = { key: 'f', enabled: true, metadata: { plan: 'pro' }, ...DESCRIPTIVE };
const SEGMENT = {
  key: 's',
  conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
  ...DESCRIPTIVE,
};

const EVALUATION_FLAG = {
  key: 'f',
  type: 'boolean',
  enabled: true,
  variants: { on: true, off: false },
  defaultVariant: 'on',
  rules: [],
  seed: 'f',
  clientVisible: false,
  metadata: { plan: 'pro' },
  version: 1,
};
const EVALUATION_SEGMENT = { key: 's', conditions: SEGMENT.conditions, version: 1 };

const createBoth = async (server: TestServer): Promise<void> => {
  const created = [
    await server.api('POST', '/flags', { body: FLAG }),
    await server.api('POST', '/segments', { body: SEGMENT }),
  ];
  expect(created.map(({ status }) => status)).toEqual([201, 201]);
};

const expectNothingDescriptive = (text: string): void => {
  for (const leaked of [
    'title',
    'Internal',
    'internal-tag',
    'team-secret',
    'createdAt',
    'updatedAt',
  ])
    expect(text).not.toContain(leaked);
};

describe('what leaves the server holds no descriptive field', () => {
  it('in GET /flag-set', async () => {
    await using server = await startServer();
    await createBoth(server);
    const { body, text } = await server.api('GET', '/flag-set');
    expect(body.flags).toStrictEqual({ f: EVALUATION_FLAG });
    expect(body.segments).toStrictEqual({ s: EVALUATION_SEGMENT });
    expectNothingDescriptive(text);
  });

  it('in the flag set and the changes of /flag-set/stream', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const key = await server.keyOf('server');
    const early = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    await early.next();
    await createBoth(server);
    const [flagChange, segmentChange] = [await early.next(), await early.next()];
    expect(flagChange?.data.flags).toStrictEqual({ f: EVALUATION_FLAG });
    expect(segmentChange?.data.segments).toStrictEqual({ s: EVALUATION_SEGMENT });
    early.close();
    const late = await openSse(`${url}/api/v1/flag-set/stream`, { key });
    const set = await late.next();
    expect(set?.data.flags).toStrictEqual({ f: EVALUATION_FLAG });
    expect(set?.data.segments).toStrictEqual({ s: EVALUATION_SEGMENT });
    late.close();
  });

  it('in the flag set and the changes of flags.watch', async () => {
    await using server = await startServer();
    const url = await server.listen();
    const input = encodeURIComponent(JSON.stringify({ environment: 'production' }));
    const early = await openSse(`${url}/trpc/flags.watch?input=${input}`, { key: ADMIN_KEY });
    expect(await early.next()).toMatchObject({ event: 'connected' });
    expect(await early.next()).toMatchObject({ data: { event: 'set' } });
    await createBoth(server);
    const [flagChange, segmentChange] = [await early.next(), await early.next()];
    expect(flagChange?.data.change.flags).toStrictEqual({ f: EVALUATION_FLAG });
    expect(segmentChange?.data.change.segments).toStrictEqual({ s: EVALUATION_SEGMENT });
    early.close();
  });
});

describe('what is managed keeps its descriptive fields', () => {
  it('in the flag, the segment and the export', async () => {
    await using server = await startServer();
    await createBoth(server);
    const [flag, segment, exported] = [
      await server.api('GET', '/flags/f'),
      await server.api('GET', '/segments/s'),
      await server.request('GET', '/api/v1/export'),
    ];
    expect(flag.body).toMatchObject(DESCRIPTIVE);
    expect(segment.body).toMatchObject(DESCRIPTIVE);
    expect(exported.body.environments).toContainEqual(
      expect.objectContaining({
        key: 'production',
        flags: [expect.objectContaining(DESCRIPTIVE)],
        segments: [expect.objectContaining(DESCRIPTIVE)],
      }),
    );
  });
});
