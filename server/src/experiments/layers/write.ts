import {
  isLive,
  type Experiment,
  type Flag,
  type Layer,
  type LayerClaim,
  type Rule,
} from '@pennon/schema';

import { environmentOf, type Caller } from '../../auth/caller.ts';
import { formatInstant } from '../../clock.ts';
import { invalid, PennonError } from '../../errors.ts';
import { targetOf, unitOf, type Target } from '../design.ts';
import { experimentResource } from '../experiment.ts';
import type { FlagSetView } from '../../flag-set/live-flag-set.ts';
import { flagResource } from '../../flags/flag.ts';
import type { WritePlan } from '../../replication/writer.ts';
import {
  deletesOf,
  nextServerFields,
  planDelete,
  planPut,
  putsOf,
  serverFieldsAfter,
  type AuditInfo,
  type WriteResult,
} from '../../resources/plan.ts';
import {
  requireRoom,
  type ResourceContext,
  type ResourceServices,
} from '../../resources/resource-type.ts';
import { validateFlag } from '../../resources/validate.ts';
import {
  alreadyExists,
  replaceDocument,
  requireCurrent,
  requireUnused,
  type ConditionalKey,
  type CreateInput,
  type ReplaceInput,
} from '../../resources/write.ts';
import {
  flagOf,
  isExpired,
  isHeld,
  layerResource,
  released,
  slotsOf,
  unitOfLayer,
  withoutLayer,
} from './layer.ts';

type LayerPlan = WritePlan<'flagSet', WriteResult<Layer>>;
type Change = {
  readonly context: ResourceContext<'layers'>;
  readonly view: FlagSetView;
  readonly audit: AuditInfo;
};

/** Plans a write of a layer, together with its flag or with the rule of an experiment. */
const changeLayers = <Result>(
  services: ResourceServices,
  caller: Caller,
  {
    environment: requested,
    action,
  }: { environment?: string | undefined; action: AuditInfo['action'] },
  plan: (change: Change) => WritePlan<'flagSet', Result> | Promise<WritePlan<'flagSet', Result>>,
): Promise<Result> => {
  const context = { ...services, type: layerResource };
  const environment = environmentOf(caller, requested);
  return services.registry.find(environment).write(view => {
    const audit = { caller, action, environment, at: services.clock.now() };
    return plan({ context, view, audit });
  });
};

/** Creates a layer and its flag in one commit. Throws CONFLICT if either exists. */
export const createLayer = (
  services: ResourceServices,
  caller: Caller,
  { environment, ...input }: CreateInput,
): Promise<WriteResult<Layer>> =>
  changeLayers(services, caller, { environment, action: 'create' }, change =>
    planCreate(change, input),
  );

const planCreate = async (
  { context, view, audit }: Change,
  input: { readonly key: string },
): Promise<LayerPlan> => {
  const { key } = input;
  const { layers, flags } = view.snapshot.records;
  if (layers.has(key))
    throw alreadyExists(layerResource, key, audit.environment, 'use PUT or PATCH to change it');
  if (flags.has(key))
    throw alreadyExists(flagResource, key, audit.environment, 'a layer needs a key of its own');
  requireRoom(view, 'layers', null);
  const { ledger } = context.registry.find(audit.environment).replica;
  const next = { ledger, key, current: null, at: audit.at };
  const layer = layerResource.parse(input, await nextServerFields(context, next), null);
  const flagContext = { ...context, type: flagResource };
  const flagFields = await nextServerFields(flagContext, next);
  const flag = flagResource.parse(flagOf(layer), flagFields, null);
  await validateFlag(view, flag);
  const flagPlan = await putsOf(flagContext, audit, [{ document: flag, current: null }]);
  return joined(await planPut(context, audit, layer, null), flagPlan);
};

/** Returns a plan that also writes flags. */
const joined = <Result>(
  plan: WritePlan<'flagSet', Result>,
  { writes, versions, audit }: Omit<WritePlan<'flagSet', unknown>, 'result'>,
): WritePlan<'flagSet', Result> => ({
  ...plan,
  writes: { ...writes, ...plan.writes },
  ...(versions === undefined ? {} : { versions }),
  audit: [...plan.audit, ...audit],
});

/** Replaces the descriptive fields of a layer, or creates it. */
export const replaceLayer = async (
  services: ResourceServices,
  caller: Caller,
  input: ReplaceInput,
): Promise<{ document: WriteResult<Layer>; created: boolean }> => {
  const context = { ...services, type: layerResource };
  const { replica } = services.registry.find(environmentOf(caller, input.environment));
  await replica.refresh();
  if (replica.current().records.layers.has(input.key) || input.ifMatch !== undefined)
    return replaceDocument(context, caller, input);
  const { ifNoneMatch: _, ...created } = input;
  return { document: await createLayer(services, caller, created), created: true };
};

/** Deletes a layer and its flag. Throws CONFLICT while experiments have slots, or flags refer to it. */
export const deleteLayer = (
  services: ResourceServices,
  caller: Caller,
  { environment, key, ifMatch }: ConditionalKey,
): Promise<void> =>
  changeLayers(
    services,
    caller,
    { environment, action: 'delete' },
    async ({ context, view, audit }) => {
      const target = { environment: audit.environment, key, ifMatch };
      const layer = requireCurrent(layerResource, view, target).document;
      requireUnused(layerResource, key, layerResource.usedBy(view, key));
      requireUnused(flagResource, key, flagResource.usedBy(view, key));
      const plan = await planDelete(context, audit, layer);
      const flag = view.snapshot.records.flags.get(key)?.document;
      if (flag === undefined) return plan;
      const flagContext = { ...context, type: flagResource };
      return joined(plan, await deletesOf(flagContext, audit, [flag]));
    },
  );

export type ClaimInput = ConditionalKey & {
  readonly experiment: string;
  readonly slots?: number | undefined;
  /** Also takes slots that are kept back. */
  readonly force?: boolean | undefined;
};

/** Gives slots of a layer to an experiment, whose rule then fits only the units in them. */
export const claimSlots = (
  services: ResourceServices,
  caller: Caller,
  input: ClaimInput,
): Promise<WriteResult<Layer>> =>
  changeLayers(services, caller, { ...input, action: 'claim' }, change => planClaim(change, input));

const planClaim = async (change: Change, input: ClaimInput): Promise<LayerPlan> => {
  const { view, audit } = change;
  const current = requireLayer(change, input);
  const { records } = view.snapshot;
  const layer = {
    ...current,
    claims: current.claims.map(each => released(records, each, audit.at)),
  };
  const experiment = requireCurrent(experimentResource, view, {
    environment: audit.environment,
    key: input.experiment,
    ifMatch: undefined,
  }).document;
  requireNotLive(experiment);
  const target = requireSameUnit(change, layer, experiment);
  const variants = freeSlots(layer, input, audit.at);
  const claim = { experiment: experiment.key, variants, claimedAt: formatInstant(audit.at) };
  const others = layer.claims
    .filter(each => each.experiment !== experiment.key)
    .map(each => withoutSlots(each, layer, variants))
    .filter(each => each.variants.length > 0);
  const condition = { flag: layer.key, variants };
  const { conditions } = withoutLayer(target.rule, layer.key);
  const rule = { ...target.rule, conditions: [condition, ...conditions] };
  return planClaims(change, current, [...others, claim], { target, rule });
};

/** Slots that were kept back and are now taken leave their previous claim. */
const withoutSlots = (claim: LayerClaim, layer: Layer, taken: readonly string[]): LayerClaim =>
  layer.holdout == null
    ? { ...claim, variants: claim.variants.filter(variant => !taken.includes(variant)) }
    : claim;

const requireLayer = ({ view, audit }: Change, { key, ifMatch }: ConditionalKey): Layer =>
  requireCurrent(layerResource, view, { environment: audit.environment, key, ifMatch }).document;

const requireNotLive = (experiment: Experiment): void => {
  if (!isLive(experiment)) return;
  throw new PennonError(
    'CONFLICT',
    `experiment "${experiment.key}" is ${experiment.state}, so its units cannot change: stop it first`,
  );
};

/** Throws unless the rule of the experiment exists and buckets by the same attribute as the layer. */
const requireSameUnit = ({ view }: Change, layer: Layer, experiment: Experiment): Target => {
  const target = targetOf(view.snapshot.records, experiment);
  if (target === undefined)
    throw new PennonError(
      'CONFLICT',
      `flag "${experiment.flag}" has no rule "${experiment.rule}": create it first`,
    );
  const [own, expected] = [unitOf(target.rule), unitOfLayer(layer)];
  if (own === expected) return target;
  throw new PennonError(
    'CONFLICT',
    `rule "${experiment.rule}" buckets by "${own}", and layer "${layer.key}" by "${expected}": they must be the same`,
  );
};

/** Returns slots that no other experiment has. Those that the experiment had come first. */
const freeSlots = (
  layer: Layer,
  { slots, force, experiment }: ClaimInput,
  now: number,
): string[] => {
  const all = slotsOf(layer);
  if (layer.holdout != null) {
    if (slots === undefined) return [...all];
    throw invalid([
      { path: 'slots', message: 'is not for a holdout, which all experiments share' },
    ]);
  }
  if (slots === undefined)
    throw invalid([
      { path: 'slots', message: `is missing: send a number from 1 to ${all.length}` },
    ]);
  const own = layer.claims.find(claim => claim.experiment === experiment)?.variants ?? [];
  const others = layer.claims.filter(claim => claim.experiment !== experiment);
  const isTaken = (claim: LayerClaim) =>
    isHeld(claim) || (force !== true && !isExpired(claim, now));
  const taken = new Set(others.filter(isTaken).flatMap(({ variants }) => variants));
  const free = [...own, ...all.filter(slot => !own.includes(slot))].filter(
    slot => !taken.has(slot),
  );
  if (free.length >= slots) return free.slice(0, slots);
  const holders = others.filter(isTaken).map(claim => `"${claim.experiment}"`);
  throw new PennonError(
    'CONFLICT',
    `layer "${layer.key}" has ${free.length} free slots, and ${slots} were requested: the others belong to ${holders.join(', ')}; "force" also takes slots that are kept back for 7 days`,
  );
};

type RuleChange = { readonly target: Target; readonly rule: Rule };

const planClaims = async (
  { context, view, audit }: Change,
  layer: Layer,
  claims: Layer['claims'],
  change?: RuleChange,
): Promise<LayerPlan> => {
  const next = { ...layer, ...serverFieldsAfter(layer, audit.at), claims };
  const plan = await planPut(context, audit, next, layer);
  if (change === undefined) return plan;
  const { target, rule } = change;
  const flag: Flag = {
    ...target.flag,
    ...serverFieldsAfter(target.flag, audit.at),
    rules: target.flag.rules.map(each => (each.id === rule.id ? rule : each)),
  };
  await validateFlag(view, flag);
  const puts = [{ document: flag, current: target.flag }];
  const flagContext = { ...context, type: flagResource };
  return joined(plan, await putsOf(flagContext, { ...audit, action: 'update' }, puts));
};

export type ReleaseInput = ConditionalKey & {
  readonly experiment: string;
  /** Frees the slots at once. */
  readonly force?: boolean | undefined;
};

/** Takes the slots from an experiment that does not run. They are kept back for 7 days, unless `force` is set. */
export const releaseSlots = (
  services: ResourceServices,
  caller: Caller,
  input: ReleaseInput,
): Promise<WriteResult<Layer>> =>
  changeLayers(services, caller, { ...input, action: 'release' }, change => {
    const layer = requireLayer(change, input);
    const { records } = change.view.snapshot;
    const claim = layer.claims.find(({ experiment }) => experiment === input.experiment);
    if (claim === undefined)
      throw new PennonError(
        'NOT_FOUND',
        `experiment "${input.experiment}" has no slots in layer "${layer.key}"`,
      );
    const experiment = records.experiments.get(input.experiment)?.document;
    if (experiment !== undefined) requireNotLive(experiment);
    const others = layer.claims.filter(each => each !== claim);
    const releasedAt = claim.releasedAt ?? formatInstant(change.audit.at);
    const claims = input.force === true ? others : [...others, { ...claim, releasedAt }];
    const target = experiment?.state === 'draft' ? targetOf(records, experiment) : undefined;
    return planClaims(
      change,
      layer,
      claims,
      target && { target, rule: withoutLayer(target.rule, layer.key) },
    );
  });
