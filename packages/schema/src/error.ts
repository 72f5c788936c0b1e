import { z } from 'zod';

import { strictObject } from './strict-object.ts';

/** One problem: the dotted path of the input, empty for the whole input, and how to fix it. */
export const ErrorDetail = strictObject({ path: z.string(), message: z.string() }).meta({
  id: 'ErrorDetail',
});
export type ErrorDetail = z.infer<typeof ErrorDetail>;

/** What was accepted, but is probably unintended. */
export const Warning = strictObject({
  ...ErrorDetail.shape,
  code: z.string().optional().describe('What it is about, such as "eventNotSeen".'),
}).meta({ id: 'Warning' });
export type Warning = z.infer<typeof Warning>;

/** The body of every error response, in REST and tRPC. */
export const ErrorBody = strictObject({
  error: strictObject({
    code: z.string(),
    message: z.string(),
    details: z.array(ErrorDetail).optional(),
  }),
}).meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof ErrorBody>;
