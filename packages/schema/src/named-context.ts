import type { z } from 'zod';

import { EvaluationContext } from './evaluation.ts';
import { descriptiveFields, descriptiveInputs } from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { fits, Instant, Key } from './text.ts';

/** An evaluation context with a name, with which people try the flags of an environment. */
export const NamedContext = strictObject({
  key: Key,
  name: descriptiveFields.name,
  context: EvaluationContext,
  updatedAt: Instant,
}).meta({ id: 'NamedContext' });
export type NamedContext = z.infer<typeof NamedContext>;

/** The body of a request that saves a named context. */
export const NamedContextInput = strictObject({
  key: Key,
  name: descriptiveInputs.name,
  context: EvaluationContext.refine(...fits(LIMITS.namedContextBytes)),
});
export type NamedContextInput = z.infer<typeof NamedContextInput>;
