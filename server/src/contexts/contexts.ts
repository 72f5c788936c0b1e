import { didYouMean, LIMITS, type NamedContext, type NamedContextInput } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { validateContext } from '../evaluation/context.ts';
import { workflowLedger, type Registry } from '../flag-set/registry.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { differences } from '../resources/differences.ts';
import {
  requireLedger,
  type Ledger,
  type Snapshot,
  type Store,
  type Stored,
} from '../store/store.ts';

export type ContextServices = {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
};

type InEnvironment = { readonly environment?: string | undefined };
type Contexts = ReadonlyMap<string, Stored<NamedContext>>;

/**
 * Named contexts are in a ledger beside the flag set, so that no application receives anything when one is saved. No
 * replica follows it: only people read it.
 */
type Ledgers = {
  readonly contexts: Ledger<'workflow'>;
  /** Shows that a store without the contexts has not lost all data of the environment. */
  readonly flagSet: Ledger<'flagSet'>;
};

const ledgersOf = (
  { registry }: ContextServices,
  caller: Caller,
  { environment: requested }: InEnvironment,
): Ledgers => {
  const { ledger } = registry.find(environmentOf(caller, requested)).replica;
  return { contexts: workflowLedger({ ledger: ledger.id }), flagSet: ledger };
};

/** Throws if the store has lost the data of the environment, because nothing may be written until it is restored. */
const read = async (
  { store }: ContextServices,
  { contexts, flagSet }: Ledgers,
): Promise<Snapshot<'workflow'> | undefined> => {
  await requireLedger(store, flagSet);
  return store.read(contexts);
};

/** Returns a page of the named contexts of an environment, in the order of their keys. */
export const listContexts = async (
  services: ContextServices,
  caller: Caller,
  { environment, ...query }: InEnvironment & PageQuery,
): Promise<Page<NamedContext>> => {
  const ledgers = ledgersOf(services, caller, { environment });
  const found = await read(services, ledgers);
  const all = [...(found?.records.contexts.values() ?? [])].map(({ document }) => document);
  return pageOf(all, ({ key }) => key, cursorsFor(ledgers.contexts.id, ['contexts']), query);
};

/** Saves a context under a key, in place of the one that has the key. */
export const saveContext = async (
  services: ContextServices,
  caller: Caller,
  { environment, ...input }: InEnvironment & NamedContextInput,
): Promise<NamedContext> => {
  validateContext(input.context);
  const { key, name, context } = input;
  const updatedAt = formatInstant(services.clock.now());
  const saved = { key, ...(name == null ? {} : { name }), context, updatedAt };
  return write(services, ledgersOf(services, caller, { environment }), contexts => {
    const current = contexts.get(key)?.document;
    if (current === undefined) requireRoom(contexts);
    const isSame = current !== undefined && differences(current, saved, ['updatedAt']).length === 0;
    return isSame ? { result: current } : { result: saved, writes: new Map([[key, saved]]) };
  });
};

/** Throws NOT_FOUND if no context has the key. */
export const deleteContext = (
  services: ContextServices,
  caller: Caller,
  { environment, key }: InEnvironment & { readonly key: string },
): Promise<void> =>
  write(services, ledgersOf(services, caller, { environment }), contexts => {
    if (!contexts.has(key)) throw notFound(key, [...contexts.keys()]);
    return { result: undefined, writes: new Map([[key, null]]) };
  });

const requireRoom = ({ size }: Contexts): void => {
  if (size < LIMITS.namedContexts) return;
  throw new PennonError(
    'CONFLICT',
    `an environment has at most ${LIMITS.namedContexts} named contexts: delete one first`,
  );
};

const notFound = (key: string, known: readonly string[]): PennonError =>
  new PennonError('NOT_FOUND', `there is no named context "${key}"${didYouMean(key, known)}`);

type Plan<Result> = {
  readonly result: Result;
  readonly writes?: ReadonlyMap<string, NamedContext | null>;
};

const MAX_ATTEMPTS = 20;

/** Commits what is planned on the contexts. Plans again if another request was faster. */
const write = async <Result>(
  services: ContextServices,
  ledgers: Ledgers,
  plan: (contexts: Contexts) => Plan<Result>,
): Promise<Result> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const found = await read(services, ledgers);
    const { result, writes } = plan(found?.records.contexts ?? new Map());
    if (writes === undefined) return result;
    const expect = found?.id ?? 'none';
    const { committed } = await services.store.commit(ledgers.contexts, {
      expect,
      writes: { contexts: writes },
      audit: [],
    });
    if (committed) return result;
  }
  throw new PennonError(
    'SERVICE_UNAVAILABLE',
    'nothing was written: too many concurrent changes; try again',
    { retryAfterSeconds: 1 },
  );
};
