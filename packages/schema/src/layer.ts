import { z } from 'zod';

import { Attribute } from './condition.ts';
import {
  descriptiveFields,
  descriptiveInputs,
  readOnlyFields,
  serverManagedFields,
} from './flag.ts';
import { LIMITS } from './limits.ts';
import { strictObject } from './strict-object.ts';
import { Instant, Key, Name } from './text.ts';

/** Slots of a layer that one experiment has. */
export const LayerClaim = strictObject({
  experiment: Key,
  variants: z.array(Name).describe('The slots: variants of the flag of the layer.'),
  claimedAt: Instant,
  releasedAt: Instant.optional().describe('When the run ended. The slots stay taken for 7 days.'),
}).meta({ id: 'LayerClaim' });
export type LayerClaim = z.infer<typeof LayerClaim>;

const heldMessage = 'must be a percentage from 1 to 50';

const layerFields = {
  bucketBy: Attribute.nullish().describe(
    'The attribute that all experiments of the layer bucket by. The default is targetingKey.',
  ),
  holdout: z
    .number()
    .min(1, heldMessage)
    .max(50, heldMessage)
    .nullish()
    .describe(
      'Percentage of units that no experiment of the layer has. A layer without it has 20 slots.',
    ),
};

/**
 * A flag whose variants are slots, and the experiments that have them. Experiments in different slots exclude each
 * other.
 */
export const Layer = strictObject({
  key: Key.describe('Also the key of the flag.'),
  ...layerFields,
  claims: z.array(LayerClaim).max(LIMITS.experiments),
  ...descriptiveFields,
  ...serverManagedFields,
}).meta({ id: 'Layer' });
export type Layer = z.infer<typeof Layer>;

/** The body of a request that creates a layer, or replaces the descriptive fields of the one with this key. */
export const LayerCreate = strictObject({
  key: Key,
  ...layerFields,
  claims: z.array(LayerClaim).nullish().meta({ readOnly: true }),
  ...descriptiveInputs,
  ...readOnlyFields,
});
export type LayerCreate = z.infer<typeof LayerCreate>;

/** A merge patch of a layer. What it randomises by cannot change. */
export const LayerPatch = strictObject({ key: Key, ...descriptiveInputs });
export type LayerPatch = z.infer<typeof LayerPatch>;

/** The attribute that a layer buckets by. */
export const DEFAULT_UNIT = 'targetingKey';
