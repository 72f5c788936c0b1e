import type { PlanCreate, PlanResult } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { invalid } from '../errors.ts';
import type { Registry } from '../flag-set/registry.ts';
import type { Analyst } from './analysis/analyst.ts';
import { readTraffic, type Traffic, type TrafficServices } from './traffic.ts';

type PlanServices = TrafficServices & { readonly analyst: Analyst; readonly registry: Registry };

export type PlanInput = PlanCreate & { readonly environment?: string | undefined };

/** Returns how many units or days an experiment needs, or which effect it finds. */
export const planSize = async (
  services: PlanServices,
  caller: Caller,
  { environment, ...input }: PlanInput,
): Promise<PlanResult> => {
  const traffic = await trafficFor(services, caller, { environment, ...input });
  const unitsPerDay = input.unitsPerDay ?? traffic?.unitsPerDay;
  const plan = await services.analyst.compute('plan', { ...input, unitsPerDay });
  if ('message' in plan) throw invalid([plan]);
  return { ...plan, unitsPerDayFrom: traffic?.from ?? null };
};

/** Returns the units a day of the rule, if they are needed. */
const trafficFor = async (
  services: PlanServices,
  caller: Caller,
  { environment: requested, ...plan }: PlanInput,
): Promise<Traffic | undefined> => {
  const { units, effect, days, unitsPerDay } = plan;
  const isNeeded = [units, effect, days, unitsPerDay].filter(each => each != null).length === 1;
  if (!isNeeded && requested === undefined) return undefined;
  const live = services.registry.find(environmentOf(caller, requested));
  return isNeeded ? readTraffic(services, live, plan) : undefined;
};
