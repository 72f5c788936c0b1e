/**
 * A process that runs a server 31 days ahead of time, so it purges the deleted environments of its store
 * (REDIS_URL or PENNON_DATA). With PURGE_KILL it is killed `before` or `after` it removes the data of one.
 * Otherwise it prints `purged` once everything is removed, and ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';

import { systemClock } from '../../src/clock.ts';
import { readConfig } from '../../src/config.ts';
import { secureRandom } from '../../src/random.ts';
import { createServer } from '../../src/server.ts';
import { CONTROL_LEDGER, type Store } from '../../src/store/store.ts';

const AHEAD_MS = 31 * 86_400_000;
const { PURGE_KILL, ...settings } = process.env;

const clock = { ...systemClock, now: () => systemClock.now() + AHEAD_MS };
const killSelf = (moment: string): void => {
  if (PURGE_KILL === moment) process.kill(process.pid, 'SIGKILL');
};

const isPurged = async (store: Store): Promise<boolean> => {
  const records = (await store.read(CONTROL_LEDGER))?.records.deletedEnvironments;
  return [...(records?.values() ?? [])].every(({ document }) => document.isCleared === true);
};

const config = readConfig(settings);
const store = await config.store.open({ clock, random: secureRandom, onWarning: () => {} });
const server = await createServer({
  store: {
    ...store,
    async clear(ledger) {
      killSelf('before');
      await store.clear(ledger);
      killSelf('after');
    },
  },
  clock,
  random: secureRandom,
  logger: pino({ level: 'silent' }),
  limits: config.limits,
  signIn: config.signIn,
  adminKey: undefined,
  firstAdminKey: () => 'unused-admin-key-0123456789abcdef',
});
while (!(await isPurged(store))) await sleep(10);
process.stdout.write('purged\n');
await server.close();
