import type { z } from 'zod';

type Run = z.core.$ZodType['_zod']['run'];

/**
 * Replaces how a schema is run. Must come last: `.meta()`, `.min()` and others return a copy, which is run as
 * the original was.
 */
const withRun = <Schema extends z.ZodType>(schema: Schema, wrap: (run: Run) => Run): Schema => {
  const { _zod: internals } = schema;
  internals.run = wrap(internals.run.bind(internals));
  return schema;
};

/**
 * Returns the schema, which refuses an input before it looks at any part of it if `problemOf` returns a message.
 * A refinement would run only after all parts have been parsed, however many there are.
 */
export const refuseEarly = <Schema extends z.ZodType>(
  schema: Schema,
  problemOf: (input: unknown) => string | undefined,
): Schema =>
  withRun(schema, run => (payload, context) => {
    const message = problemOf(payload.value);
    if (message === undefined) return run(payload, context);
    payload.issues.push({ code: 'custom', message, input: payload.value, inst: schema });
    return payload;
  });

/** Returns the schema, which accepts an input as it is if `isValid` holds, at a fraction of the cost. */
export const acceptEarly = <Schema extends z.ZodType>(
  schema: Schema,
  isValid: (input: unknown) => boolean,
): Schema =>
  withRun(
    schema,
    run => (payload, context) => (isValid(payload.value) ? payload : run(payload, context)),
  );

/**
 * Returns the union, which runs only the option that `optionOf` returns if the input is valid for it. Otherwise
 * it tries all options, for their messages.
 */
export const dispatch = <Schema extends z.ZodType>(
  union: Schema,
  optionOf: (input: unknown) => z.core.$ZodType | undefined,
): Schema =>
  withRun(union, run => (payload, context) => {
    const value: unknown = payload.value;
    const { _zod: internals } = optionOf(value) ?? {};
    const result = internals?.run({ value, issues: [] }, context);
    const isValid = result !== undefined && 'issues' in result && result.issues.length === 0;
    return isValid ? result : run(payload, context);
  });

/** What finding all problems of an input may cost, in units of about two microseconds. */
const MAX_COST = 20_000;
const OBJECT_COST = 20;

/** Returns the budget that is left after the problems of an input have been found, if every part has one. */
const budgetAfter = (input: unknown, budget: number): number => {
  if (typeof input !== 'object' || input === null) return budget - 1;
  const parts: readonly unknown[] = Array.isArray(input) ? input : Object.values(input);
  let left = budget - OBJECT_COST;
  for (const part of parts) {
    if (left < 0) return left;
    left = budgetAfter(part, left);
  }
  return left;
};

const ONLY_FIRST = 'is so large that only its first problem is listed';

/**
 * Returns the schema, which stops at the first problem of a very large input. The parse of a valid input costs
 * little, but describing the problems of a hundred thousand values takes seconds.
 */
export const listFewProblems = <Schema extends z.ZodType>(schema: Schema): Schema =>
  withRun(schema, run => (payload, context) => {
    if (context.abortEarly === true || budgetAfter(payload.value, MAX_COST) >= 0)
      return run(payload, context);
    const input: unknown = payload.value;
    const result = run(payload, { ...context, abortEarly: true });
    // A problem of the input itself, such as its length, leaves out no others.
    const isInside = 'issues' in result && (result.issues[0]?.path ?? []).length > 0;
    if (isInside) result.issues.push({ code: 'custom', message: ONLY_FIRST, input, inst: schema });
    return result;
  });
