import { z } from 'zod';

import { Attribute } from './condition.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { text } from './text.ts';

const instance = z
  .string()
  .regex(/^[A-Za-z0-9_-]{16,64}$/, 'must be 16 random bytes in base64url, made at the start')
  .describe('Identifies one run of a provider.');

const sequence = z
  .int()
  .min(1)
  .describe('1, 2, 3 … for each instance. A batch that is sent again keeps its own.');

const timeMs = z.int().min(0).describe('Milliseconds since 1970, by the clock of the sender.');
const unit = text(1, LIMITS.unitLength);

/** The unit was served a variant by the rule of a running experiment. */
export const ExposureEvent = strictObject({
  type: z.literal('exposure'),
  experiment: text(1, LIMITS.keyLength),
  variant: text(1, LIMITS.keyLength),
  unit,
  timeMs,
}).meta({ id: 'ExposureEvent' });
export type ExposureEvent = z.infer<typeof ExposureEvent>;

const attribute = z.json();

/** Experiments that run at the same time have so many different attributes at most, and covariates one. */
const MAX_UNITS = LIMITS.liveExperiments + 1;

const hasUnits = (units: object): boolean => {
  const { length } = Object.keys(units);
  return length > 0 && length <= MAX_UNITS;
};

/** What a unit has done. */
export const TrackEvent = strictObject({
  type: z.literal('track'),
  name: text(1, LIMITS.eventNameLength),
  timeMs,
  value: z.number().optional(),
  attributes: z
    .record(text(1, LIMITS.keyLength), attribute)
    .refine(attributes => Object.keys(attributes).length <= LIMITS.eventAttributes, {
      error: `must have at most ${LIMITS.eventAttributes} attributes`,
    })
    .optional(),
  units: z
    .record(text(1, LIMITS.keyLength), unit)
    .refine(hasUnits, {
      error: `must have 1 to ${MAX_UNITS} units, such as {"targetingKey": "ada"}`,
    })
    .describe('The value of each attribute that a running experiment buckets by.'),
}).meta({ id: 'TrackEvent' });
export type TrackEvent = z.infer<typeof TrackEvent>;

export const TrackedEvent = z.discriminatedUnion('type', [ExposureEvent, TrackEvent]);
export type TrackedEvent = z.infer<typeof TrackedEvent>;

/** A unit whose events the server removes. */
export const EraseUnit = strictObject({ attribute: Attribute, unit }).meta({ id: 'EraseUnit' });
export type EraseUnit = z.infer<typeof EraseUnit>;

/** What a provider has not sent, because too much waited. */
const dropped = strictObject({
  exposures: z.int().min(0).max(LIMITS.usageCount),
  tracks: z.int().min(0).max(LIMITS.usageCount),
});

/** The body of a request with events. Each event is checked by itself. */
export const EventBatch = strictObject({
  instance,
  sequence,
  sentAtMs: timeMs,
  sdk: text(1, LIMITS.nameLength).optional().describe('Name and version of the provider.'),
  hashedUnits: z.boolean().optional(),
  events: z.array(z.unknown()).max(LIMITS.eventsPerBatch),
  dropped: dropped.optional(),
}).meta({ id: 'EventBatch' });
export type EventBatch = z.infer<typeof EventBatch>;
