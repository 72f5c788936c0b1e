/**
 * A server in a process of its own, whose clock the parent advances. Its arguments are the URL of the Redis, the prefix of
 * the keys and the time. By a command, it ends by SIGKILL at its next commit of a ramp: before the commit is sent,
 * while it is on its way, or after it, before anything is done with the response.
 */
import { closeSync, openSync } from 'node:fs';

import { secureRandom } from '../../src/random.ts';
import type { Store } from '../../src/store/store.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { conversion, givenMoments } from '../support/given-moments.ts';
import { startServer } from '../support/server.ts';
import { openStore } from './store.ts';

export type DeathPoint = 'before' | 'during' | 'after';

export type Death = {
  readonly point: DeathPoint;
  /** A file that the process creates before it ends. If another process was first, this one continues. */
  readonly mark: string;
};

export type RampServerCommand = {
  /** How much time passes. */
  readonly advance?: number;
  /** Where the process ends; null if it does not. */
  readonly dies?: Death | null;
  /** How many units of 1,000 failed, of control and treatment. */
  readonly failed?: readonly [number, number];
};

const UNITS = 1_000;
/** Time passes faster here, so reports expire sooner. */
const REPORT_TTL_MS = 700;

const [url = '', prefix = '', now = ''] = process.argv.slice(2);
const clock = createFakeClock(Number(now));
const { given, source } = givenMoments();
const see = ([control, treatment]: readonly [number, number]) => {
  given.of = at => ({
    units: { off: UNITS, on: UNITS },
    lastExposureAt: at,
    metrics: { failed: { off: conversion(UNITS, control), on: conversion(UNITS, treatment) } },
  });
};
see([5, 5]);

let dies: Death | null = null;

const isFirst = ({ mark }: Death): boolean => {
  try {
    closeSync(openSync(mark, 'wx'));
    return true;
  } catch {
    return false;
  }
};

const end = (): Promise<never> => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
};

const wrapStore = (inner: Store): Store => ({
  ...inner,
  reportServer: report => inner.reportServer(report, REPORT_TTL_MS),
  async commit(ledger, commit) {
    const isOfRamp = commit.audit.some(({ actor }) => actor.id === 'pennon:ramp');
    if (!isOfRamp || dies === null || !isFirst(dies)) return inner.commit(ledger, commit);
    const { point } = dies;
    if (point === 'before') return end();
    const committed = inner.commit(ledger, commit);
    if (point === 'after') await committed;
    else await new Promise(resolve => setImmediate(resolve));
    return end();
  },
});

const store = await openStore(url, { prefix, random: secureRandom });
const server = await startServer({ clock, momentsSource: source, store, wrapStore });

process.on('message', (command: RampServerCommand) => {
  if (command.dies !== undefined) dies = command.dies;
  if (command.failed !== undefined) see(command.failed);
  if (command.advance !== undefined) clock.jump(command.advance);
  process.send?.('done');
});
process.once('disconnect', () => process.exit());
process.send?.(await server.listen());
