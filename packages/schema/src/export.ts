import { z } from 'zod';

import { Environment } from './environment.ts';
import { Experiment } from './experiment.ts';
import { FormatVersion } from './flag-set.ts';
import { Flag } from './flag.ts';
import { ApiKey } from './key.ts';
import { Layer } from './layer.ts';
import { LIMITS } from './limits.ts';
import { Metric } from './metric.ts';
import { Ramp } from './ramp.ts';
import { strictObject } from './strict-object.ts';
import { Segment } from './segment.ts';

const listOf = <Item extends z.ZodType>(item: Item, max: number) =>
  z.array(item).max(max, `must have at most ${max} entries`).optional();

/**
 * An environment in an export, with its flags and segments. Lists that are empty are left out of an export. Those that
 * an import does not have stay as they are.
 */
export const ExportedEnvironment = strictObject({
  ...Environment.shape,
  flags: z.array(Flag),
  segments: z.array(Segment),
  metrics: listOf(Metric, LIMITS.metrics),
  experiments: listOf(Experiment, LIMITS.experiments),
  layers: listOf(Layer, LIMITS.layers),
  ramps: listOf(Ramp, LIMITS.ramps),
}).meta({ id: 'ExportedEnvironment' });
export type ExportedEnvironment = z.infer<typeof ExportedEnvironment>;

/** An API key in an export. Includes the hash of its secret, so the secret works after an import. */
export const ExportedKey = strictObject({
  ...ApiKey.omit({ person: true }).shape,
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal'),
}).meta({ id: 'ExportedKey' });
export type ExportedKey = z.infer<typeof ExportedKey>;

/** An export of one environment, or of all environments and API keys. */
export const Export = strictObject({
  formatVersion: FormatVersion,
  environments: z.array(ExportedEnvironment),
  keys: z.array(ExportedKey).optional().describe('Present only in an export of all environments.'),
}).meta({ id: 'Export' });
export type Export = z.infer<typeof Export>;
