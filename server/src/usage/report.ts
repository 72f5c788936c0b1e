import { LIMITS, type ErrorDetail, type UsageReport } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { environmentOf, seesOnlyVisible } from '../auth/caller.ts';
import type { Clock } from '../clock.ts';
import { invalid, PennonError } from '../errors.ts';
import { isVisible, type Audience } from '../evaluation/audience.ts';
import type { Registry } from '../flag-set/registry.ts';
import { unitStart } from '../store/usage-store.ts';
import type { Usage } from './usage.ts';

export type ReportServices = {
  readonly registry: Registry;
  readonly usage: Usage;
  readonly audienceOf: (caller: Caller) => Audience;
  readonly clock: Clock;
};

/** What a provider receives for a report. Counts of a report that was received before are accepted, and not added. */
export type ReportResult = {
  readonly accepted: number;
  readonly rejected: readonly {
    readonly index: number;
    readonly code: 'FLAG_NOT_FOUND';
    readonly message: string;
  }[];
};

/** Adds the counts of a provider to those of its environment. */
export const acceptReport = (
  { registry, usage, audienceOf, clock }: ReportServices,
  caller: Caller,
  {
    report,
    environment,
  }: { readonly report: UsageReport; readonly environment?: string | undefined },
): ReportResult => {
  if (seesOnlyVisible(caller)) requireSmallCounts(report);
  const live = registry.find(environmentOf(caller, environment));
  const [view, audience] = [live.view(), audienceOf(caller)];
  const isKnown = (flag: string) => isVisible(view, audience, flag);
  const { instance, sequence } = report;
  const at = minuteOf(report, clock.now());
  const counts = report.counts
    .filter(([flag]) => isKnown(flag))
    .map(([flag, variant, reason, count]) => ({ flag, variant, reason, at, count }));
  const rejected = report.counts.flatMap(([flag], index) =>
    isKnown(flag)
      ? []
      : [{ index, code: 'FLAG_NOT_FOUND' as const, message: `there is no flag "${flag}"` }],
  );
  const unknown = [
    ...rejected.flatMap(({ index }) => report.counts[index]?.[0] ?? []),
    ...(report.unknown ?? []).filter(key => !isKnown(key)),
  ];
  if (usage.addReport(live, { instance, sequence, counts, unknown }))
    return { accepted: counts.length, rejected };
  throw new PennonError(
    'SERVICE_UNAVAILABLE',
    'too many usage counts wait for the store; send the report again',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
};

const RETRY_AFTER_SECONDS = 10;

/** Client keys are public, so one report of a stranger cannot add millions of evaluations. */
const requireSmallCounts = ({ counts }: UsageReport): void => {
  const details = counts.flatMap(([, , , count], index): ErrorDetail[] =>
    count <= LIMITS.publicUsageCount
      ? []
      : [
          {
            path: `counts.${index}.3`,
            message: `must be at most ${LIMITS.publicUsageCount} with a client key; send the rest in the next report`,
          },
        ],
  );
  if (details.length > 0) throw invalid(details, 'the body');
};

/** Reports are repeated for up to 15 minutes. */
const MAX_AGE_MS = 20 * 60_000;

/** Returns the minute in which the report begins, or the current one if the clock of the provider is wrong. */
const minuteOf = ({ from, until }: UsageReport, now: number): number => {
  const age = now - Date.parse(until);
  const isRight =
    age >= 0 && age <= MAX_AGE_MS && Date.parse(until) - Date.parse(from) <= MAX_AGE_MS;
  return unitStart('minute', isRight ? Date.parse(from) : now);
};
