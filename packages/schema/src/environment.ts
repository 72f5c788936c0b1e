import type { z } from 'zod';

import { descriptiveFields } from './flag.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Key } from './text.ts';

/** Where a flag set lives. */
export const Environment = strictObject({
  key: Key,
  description: descriptiveFields.description,
  createdAt: Instant,
}).meta({ id: 'Environment' });
export type Environment = z.infer<typeof Environment>;

/** An environment as people write it on creation. */
export const EnvironmentCreate = strictObject({
  key: Key,
  description: descriptiveFields.description,
});
export type EnvironmentCreate = z.infer<typeof EnvironmentCreate>;

/** Stands for every environment, in keys and in the audit log. */
export const ALL_ENVIRONMENTS = '*';
