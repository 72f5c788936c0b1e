import { serverManagedFields, type ErrorDetail } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import { PennonError } from '../errors.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import type { Documents } from '../store/store.ts';
import { differences, type Difference } from './differences.ts';
import { serverFieldsAfter, type Planner, type Written } from './plan.ts';
import { notFound } from './read.ts';
import type { ResourceKey, ResourceName, ResourceServices, ResourceType } from './resource-type.ts';
import { alreadyExists } from './write.ts';

export type CopyInput = ResourceKey & {
  readonly to: string;
  readonly overwrite?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
};

/** What a copy would change. */
export type CopyPlan = {
  dryRun: true;
  key: string;
  environment: string;
  to: string;
  outcome: 'create' | 'overwrite' | 'refused' | 'unchanged';
  differences: Difference[];
  /** Why the copy would be refused even with `overwrite`. */
  problems?: ErrorDetail[] | undefined;
  warnings?: ErrorDetail[] | undefined;
};

/** Copies a document into another environment, or with `dryRun` returns what that would change. */
export const createCopier = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { registry, clock }: ResourceServices,
  { recordsOf, warningsOf, planPut }: Planner<Name>,
) => {
  type Document = Documents[Name];

  const readSource = async (environment: string, key: string): Promise<Document> => {
    const { replica } = registry.find(environment);
    await replica.refresh();
    const source = recordsOf(replica.current()).get(key);
    if (source === undefined) throw notFound(type, key, environment);
    return source.document;
  };

  /** The copy as it would be stored at the target, and the document that it would replace. */
  const prepare = ({ snapshot }: FlagSetView, source: Document) => {
    const current = recordsOf(snapshot).get(source.key)?.document ?? null;
    const at = clock.now();
    return { current, at, document: { ...source, ...serverFieldsAfter(current, at) } };
  };

  const plan = (source: Document, from: string, { to, overwrite = false }: CopyInput): CopyPlan => {
    const view = registry.find(to).view();
    const { current, document } = prepare(view, source);
    const problems = problemsOf(() => type.validate(view, document, current));
    const changed = differences(current, document, Object.keys(serverManagedFields));
    const isRefused = problems.length > 0 || (current !== null && !overwrite);
    return {
      dryRun: true,
      key: source.key,
      environment: from,
      to,
      outcome: isRefused ? 'refused' : outcomeOf(current !== null, changed.length > 0),
      differences: changed,
      ...(problems.length === 0 ? {} : { problems }),
      ...warningsOf(document, to),
    };
  };

  return async (caller: Caller, input: CopyInput): Promise<Written<Document> | CopyPlan> => {
    const from = environmentOf(caller, input.environment);
    const environment = environmentOf(caller, input.to);
    if (from === environment) throw sameEnvironment();
    const source = await readSource(from, input.key);
    if (input.dryRun === true) return plan(source, from, input);
    return registry.find(environment).write(view => {
      const { current, at, document } = prepare(view, source);
      if (current !== null && input.overwrite !== true)
        throw alreadyExists(type, input.key, environment, 'set "overwrite" to replace it');
      type.validate(view, document, current);
      return planPut({ caller, action: 'copy', environment, at }, document, current);
    });
  };
};

const sameEnvironment = (): PennonError =>
  new PennonError('BAD_REQUEST', '"to" must be another environment', {
    details: [{ path: 'to', message: 'must be another environment' }],
  });

const outcomeOf = (exists: boolean, differs: boolean): CopyPlan['outcome'] => {
  if (!exists) return 'create';
  return differs ? 'overwrite' : 'unchanged';
};

/** The details of the BAD_REQUEST that `check` throws. */
const problemsOf = (check: () => void): ErrorDetail[] => {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof PennonError) return [...(error.extra.details ?? [])];
    throw error;
  }
};
