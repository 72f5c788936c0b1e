import { z } from 'zod';

import { descriptiveFields, descriptiveInputs } from './flag.ts';
import { strictObject } from './strict-object.ts';
import { oneOf } from './suggest.ts';
import { Instant, Key } from './text.ts';

/** The colors of environments. A console chooses the shades. */
export const EnvironmentColor = oneOf(
  ['gray', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'purple', 'pink'],
  { grey: 'gray', violet: 'purple', amber: 'orange' },
).meta({ id: 'EnvironmentColor' });
export type EnvironmentColor = z.infer<typeof EnvironmentColor>;

const MAX_ORDER = 10_000;
const MAX_STALE_DAYS = 3_650;
const days = `must be 1 to ${MAX_STALE_DAYS} days`;
const order = `must be a whole number from 0 to ${MAX_ORDER}`;

/** How people see an environment. No evaluation depends on it. */
const displayFields = {
  color: EnvironmentColor.nullish(),
  order: z
    .int(order)
    .min(0, order)
    .max(MAX_ORDER, order)
    .nullish()
    .describe('Its place among the environments; those without one are the last.'),
  confirm: z
    .boolean()
    .nullish()
    .describe('Whether a console shows a change for review before it is written.'),
  staleDays: z
    .int(days)
    .min(1, days)
    .max(MAX_STALE_DAYS, days)
    .nullish()
    .describe('After how many days without use a flag counts as stale.'),
};

/** An environment, such as `production`. Each has its own flag set. */
export const Environment = strictObject({
  key: Key,
  name: descriptiveFields.name,
  description: descriptiveFields.description,
  ...displayFields,
  createdAt: Instant,
}).meta({ id: 'Environment' });
export type Environment = z.infer<typeof Environment>;

/** The body of a request that creates an environment. */
export const EnvironmentCreate = strictObject({
  key: Key,
  name: descriptiveInputs.name,
  description: descriptiveInputs.description,
  ...displayFields,
});
export type EnvironmentCreate = z.infer<typeof EnvironmentCreate>;

/** A merge patch of an environment: absent fields stay unchanged, null removes a value. */
export const EnvironmentPatch = EnvironmentCreate;
export type EnvironmentPatch = z.infer<typeof EnvironmentPatch>;

/** Means all environments, in API keys and in the audit log. */
export const ALL_ENVIRONMENTS = '*';
