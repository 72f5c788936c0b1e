import { resolve } from 'node:path';

import { expect, it } from 'vitest';

import { systemClock } from '../../src/clock.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { secureRandom } from '../../src/random.ts';
import { CONTROL_LEDGER } from '../../src/store/store.ts';

const locate = (env: Record<string, string>) => readConfig(env).store;

it.each([
  ['./data', resolve('data')],
  ['/var/lib/pennon', '/var/lib/pennon'],
  ['file:///var/lib/pennon', '/var/lib/pennon'],
])('PENNON_DATA=%s is a data directory of one server', (url, directory) => {
  const store = locate({ PENNON_DATA: url });
  expect(store).toMatchObject({ description: directory, isShared: false, data: { directory } });
  expect(store.data?.exists()).toBe(false);
  expect(store.snapshotDirectory).toBeUndefined();
});

it('PENNON_DATA=:memory: is a store of one server without a directory', async () => {
  const location = locate({ PENNON_DATA: ':memory:' });
  expect(location).toMatchObject({ description: expect.stringContaining('memory') });
  expect([location.isShared, location.data, location.snapshotDirectory]).toEqual([
    false,
    undefined,
    undefined,
  ]);
  const deps = { random: secureRandom, clock: systemClock, onWarning: () => {} };
  const store = await location.open(deps);
  expect(await store.head(CONTROL_LEDGER)).toBeUndefined();
  await store.close();
});

it.each([
  'redis://a',
  'rediss://a:7000/2',
  'redis+sentinel://a,b/flags',
  'rediss+sentinel://a/flags',
  'redis+cluster://a,b',
  'rediss+cluster://a',
])('REDIS_URL=%s is a shared store with snapshots in PENNON_DATA', url => {
  const store = locate({ REDIS_URL: url, PENNON_DATA: '/var/lib/pennon' });
  expect(store).toMatchObject({
    isShared: true,
    snapshotDirectory: expect.stringMatching(/^\/var\/lib\/pennon\/snapshots-[0-9a-f]{16}$/),
  });
  expect(store.data).toBeUndefined();
});

it('snapshots are separate for each Redis and prefix', () => {
  const directories = [
    locate({ REDIS_URL: 'redis://a' }),
    locate({ REDIS_URL: 'redis://user:password@a' }),
    locate({ REDIS_URL: 'redis://a/1' }),
    locate({ REDIS_URL: 'redis://a', PENNON_REDIS_PREFIX: 'other' }),
  ].map(store => store.snapshotDirectory);
  expect(new Set(directories).size).toBe(3);
  expect(directories[0]).toBe(directories[1]);
});

it('with PENNON_DATA=:memory: a server on Redis writes no snapshots', () => {
  const store = locate({ REDIS_URL: 'redis://a', PENNON_DATA: ':memory:' });
  expect(store.snapshotDirectory).toBeUndefined();
});

it.each([
  [
    'PENNON_DATA',
    'redis://u:s3cret@a',
    'must be a directory, a file: URL or :memory:; use REDIS_URL',
  ],
  ['PENNON_DATA', 'postgres://u:s3cret@a', 'must be a directory, a file: URL or :memory:'],
  ['PENNON_DATA', 'file://s3cret/data', 'must be a valid file: URL'],
  ['REDIS_URL', 'file:///s3cret', 'must look like redis://'],
  ['REDIS_URL', ':memory:', 'must look like redis://'],
])('%s=%s is invalid, and the message does not contain it', (setting, url, problem) => {
  const read = () => readConfig({ [setting]: url });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(`${setting}: ${problem}`);
  expect(read).not.toThrow('s3cret');
});

it.each([':memory:', './data'])('several workers cannot share PENNON_DATA=%s', url => {
  expect(() => readConfig({ PENNON_DATA: url, PENNON_WORKERS: '2' })).toThrow(
    'PENNON_WORKERS: more than one process requires a shared store; set REDIS_URL',
  );
});
