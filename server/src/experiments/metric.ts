import { isAtWork, isJsonObject, isLive, Metric } from '@pennon/schema';

import { mergePatch, parseOrThrow } from '../resources/parse.ts';
import {
  noWarnings,
  requireRoom,
  type ResourceType,
  type ServerFields,
} from '../resources/resource-type.ts';

export const metricResource: ResourceType<'metrics'> = {
  collection: 'metrics',
  kind: 'metric',
  parse: (input, serverFields) => complete(mergePatch({}, input, CLEARED_VALUES), serverFields),
  merge: (current, patch, serverFields) =>
    complete(mergePatch(current, patch, CLEARED_VALUES), serverFields),
  async validate(view, _metric, current) {
    requireRoom(view, 'metrics', current);
  },
  requireEffect: () => undefined,
  copyOf: metric => metric,
  usedBy: ({ snapshot: { records } }, key) => ({
    experiment: Array.from(records.experiments.values(), ({ document }) => document)
      .filter(experiment => experiment.state === 'draft' || isLive(experiment))
      .filter(({ metrics }) => metrics.some(({ metric }) => metric === key))
      .map(experiment => experiment.key),
    ramp: Array.from(records.ramps.values(), ({ document }) => document)
      .filter(ramp => ramp.state === 'draft' || isAtWork(ramp))
      .filter(({ guardrails }) => guardrails.some(({ metric }) => metric === key))
      .map(ramp => ramp.key),
  }),
  warnings: noWarnings,
  writes: metrics => ({ metrics }),
  versions: () => ({}),
};

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [], direction: 'increase' };

/** Returns the metric with the defaults of absent fields. */
const complete = (
  { window, ...fields }: Readonly<Record<string, unknown>>,
  serverFields: ServerFields,
): Metric =>
  parseOrThrow(Metric, {
    direction: CLEARED_VALUES.direction,
    ...fields,
    window: isJsonObject(window) ? { fromMs: 0, ...window } : window,
    ...serverFields,
  });
