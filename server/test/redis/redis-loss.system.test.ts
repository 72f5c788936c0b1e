import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';

import type { ChangeId } from '../../src/store/change-id.ts';
import type { Change, Ledger, Store } from '../../src/store/store.ts';
import { flag, flags, neverAborted, newLedger, write } from '../store/fixtures.ts';
import { startRedis } from './processes.ts';
import { openStore } from './store.ts';

const redis = await startRedis();
const url = `redis://127.0.0.1:${redis.port}`;
afterAll(() => redis.remove());

let store: Store;
beforeEach(async () => {
  store = await openStore(url);
});
afterEach(() => store.close());

/** A ledger with a follower that has seen its last change and waits for the next one. */
const followed = async () => {
  const ledger = newLedger();
  const begun = await write(store, ledger, {});
  const changes = store.follow(ledger, begun.id, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  expect((await changes.next()).value).toEqual(seen);
  return { ledger, seen, next: changes.next() };
};

const keyOf = ({ kind, id }: Ledger, name: string) => `pennon:{${kind}:${id}}:${name}`;

/** Lost: the feed ended, failed, or its next change does not follow the one that was seen. */
const expectLost = async (
  next: Promise<IteratorResult<Change<'flagSet'>, void>>,
  seen: ChangeId,
): Promise<void> => {
  const previous = await next.then(
    ({ value }) => value?.previous,
    () => undefined,
  );
  expect(previous).not.toBe(seen);
};

it('a follower learns that its ledger was dropped', async () => {
  const { ledger, seen, next } = await followed();
  await store.drop(ledger);
  await expectLost(next, seen.id);
});

it('a follower learns that Redis has lost all data', async () => {
  const { seen, next } = await followed();
  redis.cli('flushall');
  await expectLost(next, seen.id);
});

it('a follower learns that it is ahead of the stream, as after a failover that lost its change', async () => {
  const ledger = newLedger();
  await write(store, ledger, {});
  const before = ['head', 'changes'].map(name => keyOf(ledger, name));
  for (const key of before) redis.cli('copy', key, `saved:${key}`);
  const after = (await store.head(ledger)) ?? '';
  const changes = store.follow(ledger, after, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  await changes.next();
  for (const key of before) redis.cli('copy', `saved:${key}`, key, 'replace');
  await expectLost(changes.next(), seen.id);
});

it('a follower learns that its revision was written anew with other content', async () => {
  const ledger = newLedger();
  await write(store, ledger, {});
  const before = ['head', 'changes'].map(name => keyOf(ledger, name));
  for (const key of before) redis.cli('copy', key, `saved:${key}`);
  const after = (await store.head(ledger)) ?? '';
  const changes = store.follow(ledger, after, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  await changes.next();
  for (const key of before) redis.cli('copy', `saved:${key}`, key, 'replace');
  await write(store, ledger, flags(flag('b')));
  await write(store, ledger, flags(flag('c')));
  await expectLost(changes.next(), seen.id);
});

it('a stream that is trimmed takes nothing from a follower that has seen it', async () => {
  const { ledger, next } = await followed();
  redis.cli('xtrim', keyOf(ledger, 'changes'), 'MAXLEN', '0');
  const change = await write(store, ledger, flags(flag('b')));
  expect((await next).value ?? change).toEqual(change);
});

it('a stream that is trimmed shows as a gap to a follower that has not', async () => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, {});
  await write(store, ledger, flags(flag('missed')));
  redis.cli('xtrim', keyOf(ledger, 'changes'), 'MAXLEN', '0');
  const changes = store.follow(ledger, id, neverAborted())[Symbol.asyncIterator]();
  const next = changes.next();
  await write(store, ledger, flags(flag('b')));
  await expectLost(next, id);
});

it('one environment never holds up another, however far its follower is behind', async () => {
  const [slow, fast] = [newLedger(), newLedger()];
  const begun = await Promise.all([slow, fast].map(ledger => write(store, ledger, {})));
  const stuck = store.follow(slow, begun[0]?.id ?? '', neverAborted())[Symbol.asyncIterator]();
  const large = flag('large', { description: 'x'.repeat(512 * 1024) });
  for (let i = 0; i < 100; i += 1) await write(store, slow, flags(large));
  await stuck.next();
  const changes = store.follow(fast, begun[1]?.id ?? '', neverAborted())[Symbol.asyncIterator]();
  const next = changes.next();
  const start = performance.now();
  const change = await write(store, fast, flags(flag('a')));
  expect((await next).value).toEqual(change);
  expect(performance.now() - start).toBeLessThan(500);
  await stuck.return?.();
  await changes.return?.();
});
