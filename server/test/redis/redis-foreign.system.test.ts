import { expect, it } from 'vitest';

import { parseLog } from '../support/process.ts';
import { production, startServerOn, type RedisServer } from './servers.ts';
import { useRedis } from './setup.ts';

const redis = useRedis();

const foreignEntries = async (server: RedisServer): Promise<number> => {
  const { text } = await server.request('GET', '/metrics');
  return Number(/^pennon_foreign_entries_total (\d+)$/m.exec(text)?.[1]);
};

const evaluate = async (server: RedisServer, flagKey: string) => {
  const body = { flagKey, context: {} };
  return (await server.request('POST', production('/evaluate'), { body })).body;
};

it('what another program writes to the keys of Pennon is passed over, warned of and counted', async () => {
  const first = await startServerOn(redis().url);
  for (const key of ['a', 'b'])
    await first.request('POST', production('/flags'), { body: { key, enabled: true } });
  expect([await foreignEntries(first), (await first.request('GET', '/readyz')).body]).toEqual([
    0,
    { status: 'ready' },
  ]);
  const documents = redis()
    .cli('--scan', '--pattern', '*:flags')
    .split('\n')
    .find(key => redis().cli('hexists', key, 'a') === '1');
  redis().cli('hset', String(documents), 'a', 'not JSON');
  redis().cli('zadd', `${documents}:keys`, '0', 'a-stranger');

  const second = await startServerOn(redis().url);
  for (const server of [first, second])
    for (const key of ['a', 'b'])
      expect(await evaluate(server, key)).toMatchObject({ flagKey: key, value: true });
  expect(await foreignEntries(second)).toBe(2);
  expect(await second.request('GET', '/readyz')).toMatchObject({
    status: 200,
    body: { status: 'ready', foreignEntries: 2 },
  });
  expect(parseLog(second.log()).map(({ msg }) => msg)).toEqual(
    expect.arrayContaining([
      expect.stringContaining('"a-stranger"'),
      expect.stringContaining(`replaced 1 entries of ${documents}`),
    ]),
  );
  const { body } = await first.request('GET', production('/flags'));
  expect(body.items.map(({ key }: { key: string }) => key)).toEqual(['a', 'b']);
  await Promise.all([first, second].map(server => server.stop()));
});
