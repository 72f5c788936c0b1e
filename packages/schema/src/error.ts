import { z } from 'zod';

import { strictObject } from './strict-object.ts';

/** One thing that was wrong: a dotted path, empty for the whole, and what to do about it. */
export const ErrorDetail = strictObject({ path: z.string(), message: z.string() });
export type ErrorDetail = z.infer<typeof ErrorDetail>;

/** The one shape of an error, on every door. */
export const ErrorBody = strictObject({
  error: strictObject({
    code: z.string(),
    message: z.string(),
    details: z.array(ErrorDetail).optional(),
  }),
}).meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;
