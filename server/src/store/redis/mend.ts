import { storeErrorCode, type Ledger } from '../store.ts';
import { replyOf, runScript, type RedisContext } from './commands.ts';
import { collectionsOf } from './keys.ts';
import { asRows } from './reply.ts';

/** What a script returns, and nothing else, if a ledger has entries or fields that Pennon did not write. */
export const FOREIGN = 'foreign';

const MAX_LISTED = 5;

/** Removes what another application or a person has added to the keys of a ledger. Returns whether there was any. */
export const mend = async (context: RedisContext, ledger: Ledger): Promise<boolean> => {
  const { connections, keys } = context;
  const script = runScript(
    connections.send,
    'mend',
    [...keys.streams(ledger), ...keys.collections(ledger), ...keys.versions(ledger)],
    [collectionsOf(ledger.kind).length],
  );
  const removed = asRows(await replyOf(script), 2);
  for (const key of new Set(removed.map(([name]) => name ?? ''))) {
    const names = removed.flatMap(([each, name = '']) => (each === key ? name : []));
    reportForeign(context, 'removed', key, names);
  }
  return removed.length > 0;
};

/** Reads from a ledger. If something else has replaced a key, removes that and reads again. */
export const readMended = async <Value>(
  context: RedisContext,
  ledger: Ledger,
  read: () => Promise<Value>,
): Promise<Value> => {
  try {
    return await read();
  } catch (error) {
    if (storeErrorCode(error) !== 'corrupt' || !(await mend(context, ledger))) throw error;
    return read();
  }
};

/** Warns of entries of a key that Pennon did not write, and counts them. */
export const reportForeign = (
  { onWarning, onForeign }: RedisContext,
  action: 'removed' | 'replaced',
  key: string,
  names: readonly string[],
): void => {
  onForeign(names.length);
  onWarning(
    `${action} ${names.length} entries of ${key} that Pennon did not write: ${listed(names)}. ` +
      'Only Pennon may write to its keys; set PENNON_REDIS_PREFIX if another application uses the same ones',
  );
};

const listed = (names: readonly string[]): string =>
  names
    .slice(0, MAX_LISTED)
    .map(name => JSON.stringify(name.slice(0, 100)))
    .join(', ');
