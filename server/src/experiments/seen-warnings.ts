import { eventsOfMetric, type Warning } from '@pennon/schema';

import { timeBefore, type Clock } from '../clock.ts';
import { trackedBeside } from '../flag-set/measured.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { WriteResult } from '../resources/plan.ts';
import { SEEN_DAYS, type MomentsSource } from './moments.ts';

export type SeenServices = {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly momentsSource: MomentsSource;
};

/** The metrics of an experiment or ramp that begins a run, and the path of their list. */
type RunMetrics = {
  readonly environment: string;
  readonly key: string;
  readonly path: string;
  readonly metrics: readonly { readonly metric: string }[];
};

const DAY_MS = 86_400_000;

/** Adds a warning for each event of the metrics that was not seen of late, to the response of a start. */
export const warnOfUnseen = async <Document>(
  services: SeenServices,
  started: WriteResult<Document>,
  run: RunMetrics,
): Promise<WriteResult<Document>> => {
  const unseen = await unseenWarnings(services, run);
  const warnings = [...(started.warnings ?? []), ...unseen];
  return warnings.length === 0 ? started : { ...started, warnings };
};

const unseenWarnings = async (
  { registry, clock, momentsSource }: SeenServices,
  { environment, key, path, metrics }: RunMetrics,
): Promise<Warning[]> => {
  const { ledger, current } = registry.find(environment).replica;
  const { records } = current();
  // The run has begun, also if the events cannot be read now.
  const seen = await momentsSource.seenEvents(ledger).catch(() => undefined);
  if (seen === undefined) return [];
  const earliest = timeBefore(clock, SEEN_DAYS * DAY_MS);
  const tracked = new Set(trackedBeside(records, key));
  return metrics.flatMap(({ metric }, at) => {
    const document = records.metrics.get(metric)?.document;
    const names = new Set(document === undefined ? [] : eventsOfMetric(document));
    return [...names]
      .filter(name => (seen.get(name) ?? Number.NEGATIVE_INFINITY) < earliest)
      .map(name => ({
        path: `${path}.${at}.metric`,
        code: 'eventNotSeen',
        message: messageOf(name, tracked.has(name)),
      }));
  });
};

const messageOf = (name: string, wasTracked: boolean): string => {
  const unseen = `event "${name}" was not seen in the last ${SEEN_DAYS} days`;
  return wasTracked
    ? `${unseen}: check that code tracks it by this name`
    : `${unseen}. Providers send it from now on, because a run measures it now: check that it arrives`;
};
