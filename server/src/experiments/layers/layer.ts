import { DEFAULT_UNIT, isLive, Layer, type LayerClaim, type Rule } from '@pennon/schema';

import { formatInstant } from '../../clock.ts';
import { invalid, PennonError } from '../../errors.ts';
import { mergePatch, parseOrThrow } from '../../resources/parse.ts';
import { noWarnings, type ResourceType } from '../../resources/resource-type.ts';
import type { Snapshot } from '../../store/store.ts';

type Records = Snapshot<'flagSet'>['records'];
type Layers = Records['layers'];

export const layerResource: ResourceType<'layers'> = {
  collection: 'layers',
  kind: 'layer',
  parse: (input, serverFields, current) =>
    parseOrThrow(Layer, {
      ...mergePatch({}, input, CLEARED_VALUES),
      claims: current?.claims ?? [],
      ...serverFields,
    }),
  merge: (current, patch, serverFields) =>
    parseOrThrow(Layer, { ...mergePatch(current, patch, CLEARED_VALUES), ...serverFields }),
  async validate(_view, layer, current) {
    if (current === null)
      throw new PennonError('CONFLICT', `layer "${layer.key}" was just deleted: try again`);
    const changed = (['bucketBy', 'holdout'] as const).filter(
      name => (current[name] ?? null) !== (layer[name] ?? null),
    );
    const message = 'cannot change, because units would move: create another layer';
    if (changed.length > 0) throw invalid(changed.map(path => ({ path, message })));
  },
  requireEffect: () => undefined,
  copyOf: layer => layer,
  usedBy: ({ snapshot: { records } }, key) => ({
    experiment: (records.layers.get(key)?.document.claims ?? [])
      .filter(claim => isHeld(claim) && !isOver(records, claim))
      .map(({ experiment }) => experiment),
  }),
  warnings: noWarnings,
  writes: layers => ({ layers }),
  versions: () => ({}),
};

/** What null sets a field to in a patch; fields that are not listed are removed. */
const CLEARED_VALUES = { tags: [] };

/** Whether an experiment still has its slots. */
export const isHeld = ({ releasedAt }: LayerClaim): boolean => releasedAt === undefined;

/** Whether the experiment of a claim is deleted, or its run has ended. A draft keeps its slots, and so does one that runs. */
const isOver = (
  { experiments }: Pick<Records, 'experiments'>,
  { experiment: key, claimedAt }: LayerClaim,
): boolean => {
  const experiment = experiments.get(key)?.document;
  if (experiment === undefined) return true;
  if (experiment.state === 'draft' || isLive(experiment)) return false;
  const endedAt = experiment.run?.endedAt;
  // Slots that were claimed after the end are those of the next run.
  return endedAt === undefined || endedAt >= claimedAt;
};

/** Returns a claim as the end of its experiment leaves it, which is stored a little later. */
export const released = (
  records: Pick<Records, 'experiments'>,
  claim: LayerClaim,
  now: number,
): LayerClaim => {
  if (!isHeld(claim) || !isOver(records, claim)) return claim;
  const endedAt = records.experiments.get(claim.experiment)?.document.run?.endedAt;
  return { ...claim, releasedAt: endedAt ?? formatInstant(now) };
};

/** Behaviour of units may depend on what they saw before, so slots stay empty for a week. */
const CARRY_OVER_MS = 7 * 86_400_000;

/** Whether the slots of a claim can be claimed again. */
export const isExpired = ({ releasedAt }: LayerClaim, now: number): boolean =>
  releasedAt !== undefined && Date.parse(releasedAt) + CARRY_OVER_MS <= now;

const SLOTS = Array.from({ length: 20 }, (_, slot) => `s${slot}`);
const HELD = 'held';
const IN = 'in';

/** The slots that experiments can have. Those with a holdout share its other units. */
export const slotsOf = ({ holdout }: Pick<Layer, 'holdout'>): readonly string[] =>
  holdout == null ? SLOTS : [IN];

/** Returns the flag of a layer, in its short form. */
export const flagOf = ({ key, bucketBy, holdout, name, description }: Layer): object => {
  const split =
    holdout == null
      ? SLOTS.map(variant => ({ variant, weight: 1 }))
      : [
          { variant: HELD, weight: holdout },
          { variant: IN, weight: 100 - holdout },
        ];
  return {
    key,
    type: 'string',
    enabled: true,
    variants: Object.fromEntries(split.map(({ variant }) => [variant, variant])),
    // A unit without the attribute is in no slot.
    defaultVariant: null,
    rules: [{ id: 'slots', split, ...(bucketBy == null ? {} : { bucketBy }) }],
    clientVisible: false,
    ...(name == null ? {} : { name }),
    ...(description == null ? {} : { description }),
  };
};

export const unitOfLayer = ({ bucketBy }: Pick<Layer, 'bucketBy'>): string =>
  bucketBy ?? DEFAULT_UNIT;

/** Returns the layers that the conditions of a rule name, with the slots that it needs. */
export const layersOfRule = (
  layers: Layers,
  { conditions }: Pick<Rule, 'conditions'>,
): { readonly layer: Layer; readonly variants: readonly string[] }[] =>
  conditions.flatMap(condition => {
    if (!('flag' in condition)) return [];
    const layer = layers.get(condition.flag)?.document;
    return layer === undefined ? [] : [{ layer, variants: condition.variants }];
  });

/** Returns the rule without the condition on a layer. */
export const withoutLayer = (rule: Rule, key: string): Rule => ({
  ...rule,
  conditions: rule.conditions.filter(condition => !('flag' in condition) || condition.flag !== key),
});
