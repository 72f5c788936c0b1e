import type { z } from 'zod';

import { descriptiveFields, descriptiveInputs } from './flag.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Key } from './text.ts';

/** An environment, such as `production`. Each has its own flag set. */
export const Environment = strictObject({
  key: Key,
  description: descriptiveFields.description,
  createdAt: Instant,
}).meta({ id: 'Environment' });
export type Environment = z.infer<typeof Environment>;

/** The body of a request that creates an environment. */
export const EnvironmentCreate = strictObject({
  key: Key,
  description: descriptiveInputs.description,
});
export type EnvironmentCreate = z.infer<typeof EnvironmentCreate>;

/** Means all environments, in API keys and in the audit log. */
export const ALL_ENVIRONMENTS = '*';
