import type { PlanCreate, PlanResult } from '@pennon/schema';

import { invalid } from '../errors.ts';
import type { Analyst } from './analysis/analyst.ts';

/** Returns how many units or days an experiment needs, or which effect it finds. */
export const planSize = async (
  { analyst }: { readonly analyst: Analyst },
  input: PlanCreate,
): Promise<PlanResult> => {
  const plan = await analyst.compute('plan', input);
  if ('message' in plan) throw invalid([plan]);
  return plan;
};
