import { mkdir, writeFile } from 'node:fs/promises';

import { z } from 'zod';

import * as schema from '@pennon/schema';

/** Where the JSON Schema stands, for every language to read. */
export const directory = new URL('../spec/schema/', import.meta.url);

type Titled = { readonly title: string; readonly zod: z.ZodType };

/** What is generated, by the name of its file. */
export const documents: ReadonlyMap<string, Titled> = new Map(
  Object.entries({
    'api-key': { title: 'An API key as it is listed', zod: schema.ApiKey },
    'api-key-create': { title: 'An API key as it is asked for', zod: schema.ApiKeyCreate },
    'audit-entry': { title: 'One change: who, when, what', zod: schema.AuditEntry },
    environment: { title: 'Where a flag set lives', zod: schema.Environment },
    'environment-create': { title: 'An environment, created', zod: schema.EnvironmentCreate },
    error: { title: 'The one shape of an error', zod: schema.ErrorBody },
    evaluation: { title: 'The answer for one flag', zod: schema.Evaluation },
    'evaluation-context': { title: 'Facts about the subject', zod: schema.EvaluationContext },
    export: { title: 'What one installation hands to another', zod: schema.Export },
    flag: { title: 'A flag as it is managed and stored', zod: schema.Flag },
    'flag-create': { title: 'A flag, created or replaced', zod: schema.FlagCreate },
    'flag-patch': { title: 'Part of a flag', zod: schema.FlagPatch },
    'flag-set': { title: 'All flags and segments of one environment', zod: schema.FlagSet },
    'flag-set-change': { title: 'What changed between flag sets', zod: schema.FlagSetChange },
    segment: { title: 'A segment as it is managed and stored', zod: schema.Segment },
    'segment-create': { title: 'A segment, created or replaced', zod: schema.SegmentCreate },
    'segment-patch': { title: 'Part of a segment', zod: schema.SegmentPatch },
  }),
);

/**
 * One document in JSON Schema, draft 2020-12, complete in itself. Bounds in bytes, the number of
 * conditions in groups and what must hold between fields are beyond JSON Schema.
 */
export const jsonSchema = (name: string, { title, zod }: Titled) => {
  const { $schema, ...rest } = z.toJSONSchema(zod, { io: 'input', unrepresentable: 'any' });
  return { $schema, $id: `urn:pennon:schema:${name}`, title, ...rest };
};

/** The text of every file, by its name. */
export const files = (): ReadonlyMap<string, string> =>
  new Map(
    [...documents].map(([name, document]) => [
      `${name}.json`,
      `${JSON.stringify(jsonSchema(name, document), null, 2)}\n`,
    ]),
  );

const write = async (): Promise<void> => {
  await mkdir(directory, { recursive: true });
  const writes = [...files()].map(([name, text]) => writeFile(new URL(name, directory), text));
  await Promise.all(writes);
};

if (import.meta.main) await write();
