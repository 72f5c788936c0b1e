import { z } from 'zod';

import { runInSlices, type Steps } from '../slices.ts';

/** A schema for tRPC that checks large values in slices. `Input` is what a procedure may return. */
export type Output<Input, Value> = {
  readonly schema: z.ZodType<Value, Input>;
  /** The interface of schema libraries that tRPC knows: standardschema.dev. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Promise<{ readonly value: Value }>;
    readonly types?: { readonly input: Input; readonly output: Value } | undefined;
  };
};

/**
 * Checks the output of a procedure in slices: a list of objects can have megabytes. Other requests get a turn
 * between its items.
 */
export const inSlices = <Input, Value>(schema: z.ZodType<Value, Input>): Output<Input, Value> => ({
  schema,
  '~standard': {
    version: 1,
    vendor: 'pennon',
    validate: async value => ({ value: await runInSlices(parseSteps(schema, value)) }),
  },
});

/** Whether a schema is one that checks in slices. */
export const isInSlices = (output: unknown): output is Output<unknown, unknown> =>
  typeof output === 'object' && output !== null && 'schema' in output;

function* parseSteps<Value>(schema: z.ZodType<Value>, value: unknown): Steps<Value> {
  yield;
  const lists = listsIn(schema, value);
  if (lists.length === 0) return schema.parse(value);
  const empty = Object.fromEntries(lists.map(({ name }) => [name, []]));
  const parsed = schema.parse(Object.assign({}, value, empty));
  for (const { name, item, list } of lists) {
    const items: unknown[] = [];
    for (const each of list) items.push(yield* parseSteps(item, each));
    Object.assign(Object(parsed), { [name]: items });
  }
  return parsed;
}

/** A list in an object, and the schema of its items. */
type List = {
  readonly name: string;
  readonly item: z.ZodType;
  readonly list: readonly unknown[];
};

/** Returns the lists that can be checked item by item: those of schemas without checks of the whole. */
const listsIn = (schema: z.ZodType, value: unknown): readonly List[] => {
  if (!(schema instanceof z.ZodObject) || hasChecks(schema)) return [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, list]) => {
    const field = withoutOptional(schema.shape[name]);
    const item = field instanceof z.ZodArray && !hasChecks(field) ? field.element : undefined;
    return item instanceof z.ZodType && Array.isArray(list) ? [{ name, item, list }] : [];
  });
};

const withoutOptional = (schema: unknown): unknown =>
  schema instanceof z.ZodOptional ? schema.unwrap() : schema;

const hasChecks = ({ def }: z.ZodType): boolean => (def.checks ?? []).length > 0;
