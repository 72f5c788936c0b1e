import { didYouMean, LIMITS, type NamedContext, type NamedContextInput } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { validateContext } from '../evaluation/context.ts';
import { workflowLedger, type Registry } from '../flag-set/registry.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { differences } from '../resources/differences.ts';
import { requireLedger, type Ledger, type Store, type Stored } from '../store/store.ts';

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
const ledgerOf = (
  { registry }: ContextServices,
  caller: Caller,
  { environment: requested }: InEnvironment,
): Ledger<'workflow'> => {
  const { replica } = registry.find(environmentOf(caller, requested));
  return workflowLedger({ ledger: replica.ledger.id });
};

/** Returns a page of the named contexts of an environment, in the order of their keys. */
export const listContexts = async (
  services: ContextServices,
  caller: Caller,
  { environment, ...query }: InEnvironment & PageQuery,
): Promise<Page<NamedContext>> => {
  const { registry, store } = services;
  const ledger = ledgerOf(services, caller, { environment });
  await requireLedger(store, registry.find(environmentOf(caller, environment)).replica.ledger);
  const found = await store.read(ledger);
  const all = [...(found?.records.contexts.values() ?? [])].map(({ document }) => document);
  return pageOf(all, ({ key }) => key, cursorsFor(ledger.id, ['contexts']), query);
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
  return write(services, ledgerOf(services, caller, { environment }), contexts => {
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
  write(services, ledgerOf(services, caller, { environment }), contexts => {
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
  { store }: ContextServices,
  ledger: Ledger<'workflow'>,
  plan: (contexts: Contexts) => Plan<Result>,
): Promise<Result> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const found = await store.read(ledger);
    const { result, writes } = plan(found?.records.contexts ?? new Map());
    if (writes === undefined) return result;
    const expect = found?.id ?? 'none';
    const { committed } = await store.commit(ledger, {
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
