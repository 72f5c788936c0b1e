import { isJsonObject, ownValue } from './json.ts';
import type { JsonObject } from './json.ts';

/** What a flag set, or values, state about what is measured. Both are absent if nothing is measured. */
export type MeasuredEnvelope = { readonly experiments?: unknown; readonly tracked?: unknown };

/** A running experiment: a rule of a flag, whose split draws by an attribute. */
export type RunningExperiment = {
  readonly key: string;
  readonly rule: unknown;
  readonly unit: string;
  /** Identifies its run. Servers of earlier versions do not send it. */
  readonly run: unknown;
};

export type Measured = {
  /** Returns the experiment that a rule is part of. */
  readonly experimentOf: (flagKey: string, ruleId: string) => RunningExperiment | undefined;
  readonly experiments: ReadonlySet<string>;
  readonly isTracked: (event: string) => boolean;
  /** The attributes that tracking events have. What was done before an experiment belongs to the targeting key. */
  readonly units: readonly string[];
};

export const parseMeasured = ({ experiments, tracked }: MeasuredEnvelope): Measured => {
  const running = isJsonObject(experiments) ? experiments : {};
  const byFlag = new Map<unknown, RunningExperiment[]>();
  const units = new Set(['targetingKey']);
  for (const [key, experiment] of Object.entries(running)) {
    if (!isJsonObject(experiment) || typeof experiment['unit'] !== 'string') continue;
    const { flag, rule, unit, run } = experiment;
    byFlag.set(flag, [...(byFlag.get(flag) ?? []), { key, rule, unit, run }]);
    units.add(unit);
  }
  const events = Array.isArray(tracked) ? new Set<unknown>(tracked) : undefined;
  return {
    experimentOf: (flagKey, ruleId) => byFlag.get(flagKey)?.find(({ rule }) => rule === ruleId),
    experiments: new Set(Object.keys(running)),
    isTracked: event => experiments !== undefined && (events?.has(event) ?? true),
    units: [...units],
  };
};

/** Returns an attribute by its exact name, otherwise by a dotted path. */
const attributeOf = (context: JsonObject, name: string): unknown => {
  if (Object.hasOwn(context, name)) return context[name];
  let value: unknown = context;
  for (const part of name.split('.'))
    value = isJsonObject(value) ? ownValue(value, part) : undefined;
  return value;
};

/** Returns the text that the draw of a rule hashes, or undefined if the context has none. */
export const unitOf = (context: unknown, name: string): string | undefined => {
  const value = isJsonObject(context) ? attributeOf(context, name) : undefined;
  if (typeof value === 'string') return value || undefined;
  if (typeof value === 'bigint') return String(Number(value));
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
};
