import { createDailyMemory, createEvents } from '@pennon/sync';
import type { Events, Runtime } from '@pennon/sync';

import { isLocal, isOffline } from './options.ts';
import type { ResolvedOptions } from './options.ts';
import type { Session } from './session.ts';

const LIMITS = {
  queue: 10_000,
  flushMs: 5_000,
  flushEvents: 500,
  batchEvents: 500,
  batchBytes: 102_400,
};
const MAX_EXPOSURES = 100_000;

/** Returns undefined without a server. */
export const createProviderEvents = (
  options: ResolvedOptions,
  session: () => Session | undefined,
  runtime: Runtime,
  onProblem: (message: string) => void,
): Events | undefined => {
  if (isLocal(options) || isOffline(options)) return undefined;
  const { url, key, environment, headers } = options;
  const { enabled = true, hashUnits = false, ...limits } = options.events ?? {};
  return createEvents(
    {
      url,
      key,
      environment,
      headers,
      sdk: '@pennon/server-provider',
      isEnabled: enabled,
      hashUnits,
      limits: { ...LIMITS, ...definedIn(limits) },
      envelope: () => envelopeOf(session()),
      ...createDailyMemory(MAX_EXPOSURES, runtime),
      onProblem,
    },
    runtime,
  );
};

const definedIn = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** A key that cannot read the flag set does not learn what is measured. */
const envelopeOf = (session: Session | undefined) =>
  session?.flags.snapshot()?.flagSet ??
  (session?.flags.sourceState() === 'unauthorized' ? {} : undefined);
