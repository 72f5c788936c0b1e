import { didYouMean, type Experiment, type PlanCreate } from '@pennon/schema';

import type { Clock } from '../clock.ts';
import { invalid, type PennonError } from '../errors.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { UsageStore } from '../store/usage-store.ts';
import type { Records } from './design.ts';
import type { MomentsSource } from './moments.ts';

export type TrafficServices = {
  readonly store: { readonly usage: UsageStore };
  readonly clock: Clock;
  readonly momentsSource: MomentsSource;
};

/** How many new units a day there were, and what was counted for it. */
export type Traffic = { readonly unitsPerDay: number; readonly from: 'exposures' | 'usage' };

type RuleKey = Pick<Experiment, 'flag' | 'rule'>;

const DAYS = 14;
const DAY_MS = 86_400_000;
const DATE_LENGTH = 'yyyy-mm-dd'.length;

/**
 * Returns the units a day of a rule: those that its experiments exposed in the last 14 days or, if there are none, how
 * often the flag was evaluated, which is more, because a unit is evaluated many times. Throws BAD_REQUEST without both.
 */
export const readTraffic = async (
  services: TrafficServices,
  live: LiveFlagSet,
  plan: Pick<PlanCreate, 'flag' | 'rule' | 'experiment'>,
): Promise<Traffic> => {
  await live.replica.refresh();
  const { records } = live.replica.current();
  const rule = requireRule(records, plan);
  const now = services.clock.now();
  // UTC days, of which today is the last.
  const since = (Math.floor(now / DAY_MS) - DAYS + 1) * DAY_MS;
  const span = { since, now };
  const exposed = await exposedPerDay(services, live, rule, span);
  if (exposed > 0) return { unitsPerDay: exposed, from: 'exposures' };
  const evaluated = await evaluatedPerDay(services, live, rule, span);
  if (evaluated > 0) return { unitsPerDay: evaluated, from: 'usage' };
  const message = `is missing: in the last ${DAYS} days no experiment of the rule had units, and flag "${rule.flag}" was not evaluated`;
  throw invalidPlan('unitsPerDay', message);
};

const invalidPlan = (path: string, message: string): PennonError =>
  invalid([{ path, message }], 'the plan');

const requireRule = (
  { flags, experiments }: Records,
  { flag, rule, experiment }: Pick<PlanCreate, 'flag' | 'rule' | 'experiment'>,
): RuleKey => {
  if (experiment != null) {
    const found = experiments.get(experiment)?.document;
    if (found !== undefined) return found;
    const message = `experiment "${experiment}" does not exist in this environment${didYouMean(experiment, experiments.keyList())}`;
    throw invalidPlan('experiment', message);
  }
  const key = flag ?? '';
  const id = rule ?? '';
  const document = flags.get(key)?.document;
  if (document === undefined) {
    const message = `flag "${key}" does not exist in this environment${didYouMean(key, flags.keyList())}`;
    throw invalidPlan('flag', message);
  }
  const ids = document.rules.map(each => each.id);
  if (ids.includes(id)) return { flag: key, rule: id };
  const message = `flag "${key}" has no rule "${id}"${didYouMean(id, ids)}`;
  throw invalidPlan('rule', message);
};

type Span = { readonly since: number; readonly now: number };

/** Less than a day counts as a day, so that the first minutes of a run are not multiplied. */
const perDay = (count: number, ms: number): number => Math.round(count / Math.max(1, ms / DAY_MS));

const exposedPerDay = async (
  { momentsSource }: TrafficServices,
  live: LiveFlagSet,
  { flag, rule }: RuleKey,
  { since, now }: Span,
): Promise<number> => {
  const { ledger, current } = live.replica;
  const experiments = Array.from(current().records.experiments.values(), each => each.document);
  const firstDay = new Date(since).toISOString().slice(0, DATE_LENGTH);
  const counts = await Promise.all(
    experiments.map(async ({ run, source, ...each }) => {
      if (each.flag !== flag || each.rule !== rule || source !== 'events' || run === undefined)
        return { units: 0, ms: 0 };
      const end = run.enrolmentEndedAt ?? run.endedAt;
      const until = end === undefined ? now : Math.min(now, Date.parse(end));
      const ms = Math.max(0, until - Math.max(since, Date.parse(run.startedAt)));
      if (ms === 0) return { units: 0, ms };
      const { health } = await momentsSource.data({ ledger, run: run.id }, now);
      const units = Object.entries(health.unitsByDay)
        .filter(([day]) => day >= firstDay)
        .flatMap(([, byVariant]) => Object.values(byVariant));
      return { units: sumOf(units), ms };
    }),
  );
  return perDay(sumOf(counts.map(({ units }) => units)), sumOf(counts.map(({ ms }) => ms)));
};

const evaluatedPerDay = async (
  { store }: TrafficServices,
  { replica }: LiveFlagSet,
  { flag }: RuleKey,
  { since, now }: Span,
): Promise<number> => {
  const query = { flag, resolution: 'day', from: since, until: now + 1 } as const;
  const counts = await store.usage.read(replica.ledger, query);
  const first = Math.min(now, ...counts.map(({ at }) => at));
  return perDay(sumOf(counts.map(({ count }) => count)), now - first);
};

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);
