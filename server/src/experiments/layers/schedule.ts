import type { Layer } from '@pennon/schema';

import { auditDraft, SYSTEM } from '../../audit/record.ts';
import type { Clock } from '../../clock.ts';
import type { LiveFlagSet } from '../../flag-set/live-flag-set.ts';
import type { Registry } from '../../flag-set/registry.ts';
import { serverFieldsAfter } from '../../resources/plan.ts';
import type { Snapshot } from '../../store/store.ts';
import { isExpired, released } from './layer.ts';

type Records = Snapshot<'flagSet'>['records'];
type ReleaseServices = { readonly registry: Registry; readonly clock: Clock };

const CHECK_MS = 60_000;

/** Releases the slots of experiments that have ended, and frees them a week later. Only one server commits. */
export const startReleases = (
  { registry, clock }: ReleaseServices,
  onError: (error: unknown) => void,
): (() => void) =>
  clock.every(CHECK_MS, () => {
    for (const live of registry.all()) void releaseIn(live, clock).catch(onError);
  });

const releaseIn = async (live: LiveFlagSet, clock: Clock): Promise<void> => {
  const { records } = live.replica.current();
  for (const key of records.layers.keys())
    if (dueIn(records, key, clock.now()) !== undefined) await releaseOne(live, key, clock);
};

/** Returns a layer as the end of experiments and the time have left it, if it differs. */
const dueIn = (records: Records, key: string, now: number) => {
  const current = records.layers.get(key)?.document;
  if (current === undefined) return undefined;
  const claims = current.claims
    .map(claim => released(records, claim, now))
    .filter(claim => !isExpired(claim, now));
  const isSame =
    claims.length === current.claims.length &&
    claims.every((claim, at) => claim === current.claims[at]);
  if (isSame) return undefined;
  const next: Layer = { ...current, ...serverFieldsAfter(current, now), claims };
  return { current, next };
};

const releaseOne = (live: LiveFlagSet, key: string, clock: Clock): Promise<void> =>
  live.write(({ snapshot }) => {
    const change = dueIn(snapshot.records, key, clock.now());
    if (change === undefined) return { writes: {}, audit: [], result: () => undefined };
    const { current, next } = change;
    const audited = { action: 'layer.release', before: current, after: next } as const;
    return {
      writes: { layers: new Map([[key, next]]) },
      audit: [auditDraft(SYSTEM, clock.now(), { ...audited, environment: live.environment, key })],
      result: () => undefined,
    };
  });
