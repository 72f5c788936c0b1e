import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';

import { operatorTraits } from '@pennon/engine';
import * as schema from '@pennon/schema';
import { z } from 'zod';

/** The folder of all generated files. */
export const directory = new URL('./', import.meta.url);

type Titled = { readonly title: string; readonly zod: z.ZodType };

/** The JSON Schema documents, by name. */
export const documents: ReadonlyMap<string, Titled> = new Map(
  Object.entries({
    'api-key': { title: 'An API key, without its secret', zod: schema.ApiKey },
    'api-key-create': { title: 'An API key to create', zod: schema.ApiKeyCreate },
    'audit-entry': { title: 'One recorded change', zod: schema.AuditEntry },
    environment: { title: 'An environment', zod: schema.Environment },
    'environment-create': { title: 'An environment to create', zod: schema.EnvironmentCreate },
    'environment-patch': {
      title: 'A merge patch of an environment',
      zod: schema.EnvironmentPatch,
    },
    error: { title: 'An error response', zod: schema.ErrorBody },
    evaluation: { title: 'The result of evaluating one flag', zod: schema.Evaluation },
    'evaluation-context': { title: 'An evaluation context', zod: schema.EvaluationContext },
    export: { title: 'An export of one or all environments', zod: schema.Export },
    flag: { title: 'A flag as managed and stored', zod: schema.Flag },
    'flag-create': { title: 'A flag to create or replace', zod: schema.FlagCreate },
    'flag-patch': { title: 'A merge patch of a flag', zod: schema.FlagPatch },
    experiment: { title: 'An experiment as managed and stored', zod: schema.Experiment },
    'experiment-create': {
      title: 'An experiment to create or replace',
      zod: schema.ExperimentCreate,
    },
    'experiment-patch': { title: 'A merge patch of an experiment', zod: schema.ExperimentPatch },
    'flag-set': { title: 'All flags and segments of one environment', zod: schema.FlagSet },
    'flag-set-change': { title: 'The difference between two flag sets', zod: schema.FlagSetChange },
    layer: { title: 'A layer as managed and stored', zod: schema.Layer },
    metric: { title: 'A metric as managed and stored', zod: schema.Metric },
    'metric-create': { title: 'A metric to create or replace', zod: schema.MetricCreate },
    'metric-patch': { title: 'A merge patch of a metric', zod: schema.MetricPatch },
    ramp: { title: 'A ramp as managed and stored', zod: schema.Ramp },
    'ramp-create': { title: 'A ramp to create or replace', zod: schema.RampCreate },
    'ramp-patch': { title: 'A merge patch of a ramp', zod: schema.RampPatch },
    segment: { title: 'A segment as managed and stored', zod: schema.Segment },
    'segment-create': { title: 'A segment to create or replace', zod: schema.SegmentCreate },
    'segment-patch': { title: 'A merge patch of a segment', zod: schema.SegmentPatch },
  }),
);

/**
 * Returns one self-contained JSON Schema document, draft 2020-12. JSON Schema cannot express limits in
 * bytes, the number of conditions in groups, and constraints between fields. If a request violates one
 * of these, only the server refuses it.
 */
export const jsonSchema = (name: string, { title, zod }: Titled) => {
  const { $schema, ...rest } = z.toJSONSchema(zod, { io: 'input', unrepresentable: 'any' });
  return { $schema, $id: `urn:pennon:schema:${name}`, title, ...rest };
};

/** All operators with the type of their operand and their traits. */
const operators = () =>
  Object.fromEntries(
    Object.entries(schema.OPERATORS).flatMap(([operand, names]) =>
      names.map(name => [name, { operand, ...operatorTraits(name) }] as const),
    ),
  );

/** The field names of everything that a flag set contains. */
const fields = () => ({
  flag: schema.FLAG_FIELDS,
  segment: schema.SEGMENT_FIELDS,
  rule: Object.keys(schema.Rule.shape),
  splitEntry: Object.keys(schema.SplitEntry.shape),
  condition: schema.CONDITION_FIELDS,
});

const textOf = (json: unknown): string => `${JSON.stringify(json, null, 2)}\n`;

/** The table of the fields of a flag, in the format of Prettier. */
const flagFieldTable = (): string => {
  const entries = Object.entries(schema.FLAG_FIELD_DESCRIPTIONS);
  const rows = [['field', 'value'], ...entries.map(([name, text]) => [`\`${name}\``, text])];
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)));
  const lines = rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  lines.splice(
    1,
    0,
    widths.map(width => '-'.repeat(width)),
  );
  return lines.map(cells => `| ${cells.join(' | ')} |\n`).join('');
};

const EVALUATION_PAGE = '../../docs/evaluation.md';

/** Returns the page with the current table. The rest of the page is written by hand. */
const evaluationPage = (): string =>
  readFileSync(new URL(EVALUATION_PAGE, directory), 'utf8').replace(
    /^\| field .*\n(?:\|.*\n)+/m,
    flagFieldTable,
  );

/** Returns the text of each generated file, by path such as `schema/flag.json`. */
export const files = (): ReadonlyMap<string, string> =>
  new Map([
    ['operators.json', textOf(operators())],
    ['fields.json', textOf(fields())],
    [EVALUATION_PAGE, evaluationPage()],
    ...[...documents].map(
      ([name, document]) => [`schema/${name}.json`, textOf(jsonSchema(name, document))] as const,
    ),
  ]);

const write = async (): Promise<void> => {
  await mkdir(new URL('schema/', directory), { recursive: true });
  const writes = [...files()].map(([path, text]) => writeFile(new URL(path, directory), text));
  await Promise.all(writes);
};

if (import.meta.main) await write();
