import type { Explanation } from '@pennon/engine';
import type { ErrorDetail, EvaluationContext } from '@pennon/schema';

import { canAccess, environmentOf, type Caller } from '../auth/caller.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { flagResource } from '../flags/flag.ts';
import { nextServerFields, warningsOf } from '../resources/plan.ts';
import { recordsOf } from '../resources/read.ts';
import type {
  ResourceContext,
  ResourceName,
  ResourceServices,
} from '../resources/resource-type.ts';
import { afterWrites, type ValidationBase } from '../resources/validate.ts';
import { segmentResource } from '../segments/segment.ts';
import { nextTurn } from '../slices.ts';
import { validateContext } from './context.ts';
import { createExplainer, resultOf } from './explainer.ts';

/** A flag or a segment as it would be written. */
export type Draft = {
  readonly flag?: { readonly key: string } | undefined;
  readonly segment?: { readonly key: string } | undefined;
};

export type PreviewInput = Draft & {
  readonly environment?: string | undefined;
  readonly contexts: readonly EvaluationContext[];
  /** The flags to evaluate. By default the draft, or the flags that use the segment. */
  readonly flagKeys?: readonly string[] | undefined;
  readonly allowNoEffect?: boolean | undefined;
};

/** A flag as it is evaluated now, and as it would be with the draft; null if there is no such flag. */
export type Compared = {
  flagKey: string;
  live: Explanation | null;
  draft: Explanation | null;
  /** Whether the variant, the value or the reason differs. */
  changed: boolean;
};

/** What a draft would change. `results` are in the order of the contexts. */
export type Preview = {
  environment: string;
  revision: number;
  results: { evaluations: Compared[] }[];
  warnings?: ErrorDetail[] | undefined;
};

/** How many flags one preview evaluates for each context. */
export const MAX_PREVIEWED_FLAGS = 20;
/** Checks a draft as a write does, and evaluates it beside what is live. Writes nothing. */
export const previewDraft = async (
  services: ResourceServices,
  caller: Caller,
  input: PreviewInput,
): Promise<Preview> => {
  const environment = environmentOf(caller, input.environment);
  for (const context of input.contexts) validateContext(context);
  const live = services.registry.find(environment);
  await live.replica.refresh();
  const view = live.view();
  const {
    next,
    flagKeys: requested,
    warnings,
  } = await checkDraft(services, view, caller, {
    ...input,
    environment,
  });
  const flagKeys = new Set(requested);
  const explainOne = createExplainer();
  const results: Preview['results'] = [];
  for (const context of input.contexts) {
    const evaluations: Compared[] = [];
    for (const flagKey of flagKeys) {
      const before = await explainOne(view, flagKey, context);
      evaluations.push(compared(flagKey, before, await explainOne(next, flagKey, context)));
    }
    results.push({ evaluations });
  }
  return { environment, revision: view.flagSet.revision, results, ...warnings };
};

type CheckedDraft = {
  /** The flag set with the draft. */
  readonly next: ValidationBase;
  readonly flagKeys: readonly string[];
  readonly warnings: { warnings?: ErrorDetail[] | undefined };
};

type Scoped = Omit<PreviewInput, 'environment'> & { readonly environment: string };

const checkDraft = async (
  services: ResourceServices,
  view: FlagSetView,
  caller: Caller,
  input: Scoped,
): Promise<CheckedDraft> => {
  const { flag, segment, flagKeys } = input;
  if (flag !== undefined) {
    const context = { ...services, type: flagResource };
    const checked = await checkDocument(context, view, caller, { ...input, document: flag });
    return { ...checked, flagKeys: flagKeys ?? [flag.key] };
  }
  const document = segment ?? { key: '' };
  const context = { ...services, type: segmentResource };
  const checked = await checkDocument(context, view, caller, { ...input, document });
  const next = { ...checked.next, snapshot: view.snapshot };
  const { flag: users = [] } = segmentResource.usedBy(next, document.key);
  return { ...checked, flagKeys: flagKeys ?? users.toSorted().slice(0, MAX_PREVIEWED_FLAGS) };
};

/** Throws what a write of the document would throw. */
const checkDocument = async <Name extends ResourceName>(
  context: ResourceContext<Name>,
  view: FlagSetView,
  caller: Caller,
  { document: input, environment, allowNoEffect = false }: Scoped & { document: { key: string } },
): Promise<Omit<CheckedDraft, 'flagKeys'>> => {
  const { type, registry, clock } = context;
  const { ledger } = registry.find(environment).replica;
  const current = recordsOf(type, view.snapshot).get(input.key)?.document ?? null;
  const next = { ledger, key: input.key, current, at: clock.now() };
  const document = type.parse(input, await nextServerFields(context, next), current);
  await nextTurn();
  await type.validate(view, document, current);
  if (!allowNoEffect) type.requireEffect(document, current);
  return {
    next: await afterWrites(view, type.writes(new Map([[document.key, document]]))),
    warnings: await warningsOf(context, document, { caller, environment }),
  };
};

const compared = (
  flagKey: string,
  live: Explanation | null,
  draft: Explanation | null,
): Compared => ({ flagKey, live, draft, changed: resultOf(live) !== resultOf(draft) });

export type CompareInput = {
  readonly flagKey: string;
  readonly context: EvaluationContext;
};

/** One flag for one context in each environment that the caller may read; null if it does not have the flag. */
export type EnvironmentComparison = {
  flagKey: string;
  evaluations: Record<string, Explanation | null>;
};

export const compareEnvironments = async (
  { registry }: Pick<ResourceServices, 'registry'>,
  caller: Caller,
  { flagKey, context }: CompareInput,
): Promise<EnvironmentComparison> => {
  validateContext(context);
  const explainOne = createExplainer();
  const evaluations: [string, Explanation | null][] = [];
  for (const live of registry.all()) {
    if (!canAccess(caller, live.environment)) continue;
    evaluations.push([live.environment, await explainOne(live.view(), flagKey, context)]);
  }
  return { flagKey, evaluations: Object.fromEntries(evaluations) };
};

export const MAX_PREVIEWED_CONTEXTS = 20;
