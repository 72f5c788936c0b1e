import { isAtWork, isCompared, type Ramp, type RampStatus } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { formatInstant } from '../clock.ts';
import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Registry } from '../flag-set/registry.ts';
import { notFound } from '../resources/read.ts';
import type { ResourceKey } from '../resources/resource-type.ts';
import { lookAtRamp, matureUnitsOf, unitsOf, type LookServices, type RampLook } from './look.ts';
import { rampResource } from './ramp.ts';
import { nextStepAt, waitsOf } from './waits.ts';

export type StatusServices = LookServices & { readonly registry: Registry };

/** Returns the flag set of the environment that a request names. */
export const liveOf = (
  { registry }: Pick<StatusServices, 'registry'>,
  caller: Caller,
  { environment }: Pick<ResourceKey, 'environment'>,
): LiveFlagSet => registry.find(environmentOf(caller, environment));

/** Returns how a ramp is doing. Any server can compute it from what is stored. */
export const readRampStatus = async (
  services: StatusServices,
  caller: Caller,
  { environment: requested, key }: ResourceKey,
): Promise<RampStatus> => {
  const live = liveOf(services, caller, { environment: requested });
  const { environment } = live;
  await live.replica.refresh();
  const { ramps } = live.replica.current().records;
  const ramp = ramps.get(key)?.document;
  if (ramp === undefined) throw notFound(rampResource, key, environment, ramps);
  return statusOf(services, live, ramp);
};

const statusOf = async (
  services: StatusServices,
  live: LiveFlagSet,
  ramp: Ramp,
): Promise<RampStatus> => {
  const flag = live.replica.current().records.flags.get(ramp.flag)?.document;
  const look =
    isAtWork(ramp) && isCompared(ramp) ? await lookAtRamp(services, live, ramp) : undefined;
  const now = services.clock.now();
  const { key, state, step, steps } = ramp;
  return {
    key,
    state,
    step,
    steps: steps.length,
    share: shareOf(ramp),
    asOf: formatInstant(now),
    nextStepAt: state === 'running' ? formatInstant(nextStepAt(ramp)) : null,
    waiting: isAtWork(ramp) ? waitsOf({ ramp, flag, look, now }) : [],
    compared: look === undefined ? null : comparedOf(ramp, look),
  };
};

const shareOf = ({ state, step, steps }: Ramp): number | null => {
  if (state === 'draft' || state === 'rolledBack') return null;
  return steps[step - 1]?.share ?? 100;
};

const comparedOf = (ramp: Ramp, look: RampLook): RampStatus['compared'] => ({
  lagSeconds: Math.round(look.moments.lagMs / 1_000),
  units: unitsOf(ramp, look),
  matureUnits: matureUnitsOf(ramp, look),
  mismatch: look.sampleRatio.mismatch,
  guardrails: look.guardrails.map(
    ({ metric, status, evidence, needed, controlUnits, treatmentUnits, onHarm }) => ({
      metric,
      status,
      evidence,
      needed,
      controlUnits,
      treatmentUnits,
      onHarm: onHarm ?? 'rollback',
    }),
  ),
});
