import { createHash } from 'node:crypto';

import { isAtWork, isCompared, type Actor, type Ramp, type RampReason } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import { guardExperiment, isGuarded } from '../experiments/guard.ts';
import type { ResultsServices } from '../experiments/results.ts';
import type { FlagSetView, LiveFlagSet } from '../flag-set/live-flag-set.ts';
import { liveExperiments, rampsAtWork } from '../flag-set/measured.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Fleet } from '../status/fleet.ts';
import { revisionOf } from '../store/change-id.ts';
import { VERSION } from '../version.ts';
import { decideRamp, type Decision } from './decide.ts';
import { lookAtRamp, type LookServices, type RampLook } from './look.ts';
import {
  advanced,
  noted,
  paused,
  rolledBack,
  type Current,
  type Transition,
} from './transitions.ts';
import { waitsOf } from './waits.ts';
import { isRuleNeeded, planTransition } from './write.ts';

type ControllerServices = LookServices &
  ResultsServices & {
    readonly registry: Registry;
    readonly fleet: Pick<Fleet, 'self' | 'members'>;
  };

const TICK_MS = 15_000;

/** Who the audit log names for what a ramp does by itself. */
const RAMP_ACTOR: Actor = { kind: 'system', id: 'pennon:ramp', name: 'pennon:ramp' };

/**
 * Watches the ramps, and the guardrails of experiments, of all environments at intervals. One server does so for each environment, and another one when
 * its report has expired. Everything it decides on is in the store, and each decision is one commit that expects the
 * ramp as it was decided on, so two servers that both hold an environment do nothing twice.
 */
export const startRamps = (
  services: ControllerServices,
  onError: (error: unknown) => void,
): (() => void) => {
  const busy = new Set<string>();
  const tick = async (live: LiveFlagSet): Promise<void> => {
    const { id } = live.replica.ledger;
    if (busy.has(id) || !isHolder(services.fleet, id)) return;
    busy.add(id);
    try {
      const { ramps, experiments } = live.replica.current().records;
      for (const { key } of rampsAtWork(ramps)) await watchRamp(services, live, key).catch(onError);
      for (const { key } of liveExperiments(experiments).filter(isGuarded))
        await guardExperiment(services, live, key).catch(onError);
    } finally {
      busy.delete(id);
    }
  };
  return services.clock.every(TICK_MS, () => {
    for (const live of services.registry.all()) void tick(live).catch(onError);
  });
};

/** Servers of other versions may have no ramps, so only those of the same one are compared. */
const isHolder = ({ self, members }: ControllerServices['fleet'], ledger: string): boolean => {
  const ids = members()
    .filter(({ report }) => report.version === VERSION)
    .map(({ report }) => report.id);
  const [first] = ids.toSorted((a, b) => (rankOf(a, ledger) < rankOf(b, ledger) ? -1 : 1));
  return first === self;
};

const rankOf = (server: string, ledger: string): string =>
  createHash('sha256').update(`${ledger} ${server}`).digest('hex');

const watchRamp = async (
  services: ControllerServices,
  live: LiveFlagSet,
  key: string,
): Promise<void> => {
  const { ramps, flags } = live.replica.current().records;
  const ramp = ramps.get(key)?.document;
  if (ramp === undefined || !isAtWork(ramp)) return;
  const look = isCompared(ramp) ? await lookAtRamp(services, live, ramp) : undefined;
  const flag = flags.get(ramp.flag)?.document;
  const decision = decideRamp({ ramp, flag, look, now: services.clock.now() });
  if (decision.act !== 'hold') await carryOut(services, live, { decision, ramp, look });
};

type Decided = {
  readonly decision: Decision;
  /** The ramp that the decision is about. */
  readonly ramp: Ramp;
  readonly look: RampLook | undefined;
};

const NOTHING = { writes: {}, audit: [], result: () => undefined };

/** Writes what was decided. It is planned on the current data: after a concurrent change, once more. */
const carryOut = (
  { clock }: ControllerServices,
  live: LiveFlagSet,
  decided: Decided,
): Promise<unknown> =>
  live.write<unknown>(view => {
    const { ramps, flags } = view.snapshot.records;
    const ramp = ramps.get(decided.ramp.key)?.document;
    const flag = ramp && flags.get(ramp.flag)?.document;
    if (ramp === undefined || flag === undefined) return NOTHING;
    const current = { ramp, flag, at: clock.now() };
    const transition = transitionOf(view, current, decided);
    if (transition === undefined) return NOTHING;
    const author = { caller: { actor: RAMP_ACTOR }, environment: live.environment };
    return planTransition(view, current, transition, author);
  });

/** Returns what to write, or undefined if a person or another server was faster. */
const transitionOf = (
  view: FlagSetView,
  current: Current,
  { decision, ramp: before, look }: Decided,
): Transition | undefined => {
  const { ramp, flag, at } = current;
  if (!isAtWork(ramp) || ramp.run?.id !== before.run?.id) return undefined;
  if (decision.act === 'rollback')
    return rolledBack(current, reasonOf(view, at, decision.reason), isRuleNeeded(view, flag));
  const isSameStep = ramp.step === before.step && ramp.stepStartedAt === before.stepStartedAt;
  if (!isSameStep || ramp.state !== before.state) return undefined;
  if (decision.act === 'pause') return paused(current, reasonOf(view, at, decision.reason));
  if (decision.act === 'warn') return noted(current, reasonOf(view, at, decision.reason));
  const isDue = waitsOf({ ramp, flag, look, now: at }).length === 0;
  return isDue ? advanced(current) : undefined;
};

const reasonOf = (
  view: FlagSetView,
  at: number,
  reason: Omit<RampReason, 'at' | 'revision'>,
): RampReason => ({ ...reason, at: formatInstant(at), revision: revisionOf(view.snapshot.id) });
