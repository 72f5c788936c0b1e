import { z } from 'zod';

import { Attribute } from './condition.ts';
import { EvaluationFlag } from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { EvaluationSegment } from './segment.ts';
import { Key, Name, text } from './text.ts';

/** The only format version that this release reads and writes. */
export const FORMAT_VERSION = 1;

export const FormatVersion = z.literal(FORMAT_VERSION, {
  error: ({ input }) => (input === undefined ? 'is missing: it must be 1' : 'must be 1'),
});

/** The id of a change: epoch, revision and a random nonce. Also used as ETag and as SSE event id. */
export const ChangeId = z.string().meta({
  description: 'Opaque id of the latest change. Equal ids mean equal flag sets.',
  examples: ['q7Zk3v9s.42.b1Xw0c8e'],
});

/** What providers measure. Both are absent if nothing is measured. */
export const measuredEnvelope = {
  experiments: z
    .record(
      Key,
      strictObject({
        flag: Key,
        rule: Name,
        unit: Attribute,
        run: z.string().optional(),
      }).meta({ id: 'Measured' }),
    )
    .optional()
    .describe(
      'The running experiments: a flag, the id of its rule, the bucketing attribute, and the id of the run, which differs after a restart.',
    ),
  tracked: z
    .array(text(1, LIMITS.eventNameLength))
    .nullable()
    .optional()
    .describe('Names of the events that are measured; null: all.'),
};

/** All flags and segments of one environment at one revision. */
export const FlagSet = strictObject({
  formatVersion: FormatVersion,
  environment: Key,
  id: ChangeId,
  revision: z.int().min(0),
  flags: z.record(Key, EvaluationFlag),
  segments: z.record(Key, EvaluationSegment),
  ...measuredEnvelope,
}).meta({ id: 'FlagSet' });
export type FlagSet = z.infer<typeof FlagSet>;

/**
 * The difference between two consecutive flag sets. A flag or segment is null if it was removed. What is measured is
 * present as a whole if it has changed.
 */
export const FlagSetChange = strictObject({
  previous: ChangeId,
  revision: z.int().min(1),
  flags: z.record(Key, EvaluationFlag.nullable()),
  segments: z.record(Key, EvaluationSegment.nullable()),
  ...measuredEnvelope,
}).meta({ id: 'FlagSetChange' });
export type FlagSetChange = z.infer<typeof FlagSetChange>;
