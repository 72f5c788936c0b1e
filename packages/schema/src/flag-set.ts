import { z } from 'zod';

import { EvaluationFlag } from './flag.ts';
import { strictObject } from './strict-object.ts';
import { EvaluationSegment } from './segment.ts';
import { Key } from './text.ts';

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

/** All flags and segments of one environment at one revision. */
export const FlagSet = strictObject({
  formatVersion: FormatVersion,
  environment: Key,
  id: ChangeId,
  revision: z.int().min(0),
  flags: z.record(Key, EvaluationFlag),
  segments: z.record(Key, EvaluationSegment),
}).meta({ id: 'FlagSet' });
export type FlagSet = z.infer<typeof FlagSet>;

/** The difference between two consecutive flag sets. A flag or segment is null if it was removed. */
export const FlagSetChange = strictObject({
  previous: ChangeId,
  revision: z.int().min(1),
  flags: z.record(Key, EvaluationFlag.nullable()),
  segments: z.record(Key, EvaluationSegment.nullable()),
}).meta({ id: 'FlagSetChange' });
export type FlagSetChange = z.infer<typeof FlagSetChange>;
