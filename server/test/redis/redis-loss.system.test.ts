import { afterEach, beforeEach, expect, it } from 'vitest';

import type { ChangeId } from '../../src/store/change-id.ts';
import type { Change, Ledger, Store } from '../../src/store/store.ts';
import { flag, flags, neverAborted, newLedger, write } from '../store/fixtures.ts';
import { useRedis } from './setup.ts';
import { openStore } from './store.ts';

const redis = useRedis();

let store: Store;
beforeEach(async () => {
  store = await openStore(redis().url);
});
afterEach(() => store.close());

/** Creates a ledger with a follower that has its last change and waits for the next one. */
const createFollowedLedger = async () => {
  const ledger = newLedger();
  const first = await write(store, ledger, {});
  const changes = store.follow(ledger, first.id, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  expect((await changes.next()).value).toEqual(seen);
  return { ledger, seen, next: changes.next() };
};

const keyOf = ({ kind, id }: Ledger, name: string) => `pennon:{${kind}:${id}}:${name}`;

/** The feed is lost if it ends, fails, or its next change does not follow the last one. */
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

it('a follower loses the feed if its ledger is dropped', async () => {
  const { ledger, seen, next } = await createFollowedLedger();
  await store.drop(ledger);
  await expectLost(next, seen.id);
});

it('a follower loses the feed if Redis loses all data', async () => {
  const { seen, next } = await createFollowedLedger();
  redis().cli('flushall');
  await expectLost(next, seen.id);
});

it('a follower loses the feed if it is ahead of the stream, as after a failover that lost its change', async () => {
  const ledger = newLedger();
  await write(store, ledger, {});
  const before = ['head', 'changes'].map(name => keyOf(ledger, name));
  for (const key of before) redis().cli('copy', key, `saved:${key}`);
  const after = (await store.head(ledger)) ?? '';
  const changes = store.follow(ledger, after, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  await changes.next();
  for (const key of before) redis().cli('copy', `saved:${key}`, key, 'replace');
  await expectLost(changes.next(), seen.id);
});

it('a follower loses the feed if its revision was written again with other content', async () => {
  const ledger = newLedger();
  await write(store, ledger, {});
  const before = ['head', 'changes'].map(name => keyOf(ledger, name));
  for (const key of before) redis().cli('copy', key, `saved:${key}`);
  const after = (await store.head(ledger)) ?? '';
  const changes = store.follow(ledger, after, neverAborted())[Symbol.asyncIterator]();
  const seen = await write(store, ledger, flags(flag('a')));
  await changes.next();
  for (const key of before) redis().cli('copy', `saved:${key}`, key, 'replace');
  await write(store, ledger, flags(flag('b')));
  await write(store, ledger, flags(flag('c')));
  await expectLost(changes.next(), seen.id);
});

it('trimming the stream does not affect a follower that has its entries', async () => {
  const { ledger, next } = await createFollowedLedger();
  redis().cli('xtrim', keyOf(ledger, 'changes'), 'MAXLEN', '0');
  const change = await write(store, ledger, flags(flag('b')));
  expect((await next).value ?? change).toEqual(change);
});

it('trimming the stream is a gap for a follower that does not have its entries', async () => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, {});
  await write(store, ledger, flags(flag('missed')));
  redis().cli('xtrim', keyOf(ledger, 'changes'), 'MAXLEN', '0');
  const changes = store.follow(ledger, id, neverAborted())[Symbol.asyncIterator]();
  const next = changes.next();
  await write(store, ledger, flags(flag('b')));
  await expectLost(next, id);
});

it('one ledger never delays another, even if its follower is far behind', async () => {
  const [slow, fast] = [newLedger(), newLedger()];
  const begun = await Promise.all([slow, fast].map(ledger => write(store, ledger, {})));
  const stuck = store.follow(slow, begun[0]?.id ?? '', neverAborted())[Symbol.asyncIterator]();
  const large = flag('large', { description: 'x'.repeat(512 * 1024) });
  for (let i = 0; i < 100; i += 1) await write(store, slow, flags(large));
  await stuck.next();
  const changes = store.follow(fast, begun[1]?.id ?? '', neverAborted())[Symbol.asyncIterator]();
  const next = changes.next();
  const change = await write(store, fast, flags(flag('a')));
  expect((await next).value).toEqual(change);
  await stuck.return?.();
  await changes.return?.();
});
