/**
 * A process that owns a store. Reads one command per line: `open DIRECTORY`, `commit KEY BYTES`, `flood N`,
 * `ping`, `read`, `close`. Prints the result of each as one line of JSON. `flood` commits until the
 * process is killed and prints each commit once it is acknowledged.
 */
import { createInterface } from 'node:readline';

import { secureRandom } from '../../src/random.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { StoreError, type Ledger, type Store } from '../../src/store/store.ts';
import { auditOf, entry, flag, flags, write } from './fixtures.ts';

const ledger: Ledger<'flagSet'> = { kind: 'flagSet', id: 'shared' };
let opened: Store | undefined;

const store = (): Store => {
  if (opened === undefined) throw new Error('open a store first');
  return opened;
};

const commit = async (key: string, bytes = 0): Promise<string> => {
  const document = flag(key, { description: 'x'.repeat(bytes) });
  const { at, actor, action } = entry(key);
  const versions = { flags: [{ at, actor, action, document }] };
  const { id } = await write(store(), ledger, flags(document), { versions, audit: [entry(key)] });
  return id;
};

const flood = async (from: number): Promise<never> => {
  for (let i = from; ; i += 1) print(await commit(`flag${i}`));
};

const read = async () => {
  const snapshot = await store().read(ledger);
  const audit = await auditOf(store(), ledger, { limit: 100_000 });
  const keys = [...(snapshot?.records.flags.keys() ?? [])];
  const versions = await Promise.all(
    keys.map(async key => store().versions(ledger, 'flags', { key, limit: 2 })),
  );
  return {
    head: await store().head(ledger),
    keys,
    versioned: versions.flat().map(({ document }) => document.key),
    audited: audit.map(({ key }) => key),
  };
};

const perform = async ([name, first = '', second = '']: readonly string[]): Promise<unknown> => {
  if (name === 'open') opened = await openSqliteStore({ directory: first, random: secureRandom });
  else if (name === 'commit') return commit(first, Number(second));
  else if (name === 'flood') return flood(Number(first));
  else if (name === 'ping') await store().ping();
  else if (name === 'read') return read();
  else await store().close();
  return 'done';
};

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const toResult = (error: unknown) => {
  if (!(error instanceof StoreError)) throw error;
  return { code: error.code, message: error.message };
};

for await (const line of createInterface({ input: process.stdin }))
  print(await perform(line.split(' ')).catch(toResult));
