import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';

import type { Api } from '../api/api.ts';
import { useSettled } from '../app/use-settled.ts';
import {
  attributesOf,
  contextOf,
  readContext,
  storeContext,
  type Attribute,
  type Context,
} from './context.ts';
import { isFlagInput, type FlagDocument } from './document.ts';
import { retryWhenBusy, type Check } from './use-check.ts';

/** The context that is tried, which this tab of the browser keeps for all flags. */
export const useTriedContext = () => {
  const [attributes, setAttributes] = useState(() => attributesOf(readContext(sessionStorage)));
  const context = useMemo(() => contextOf(attributes), [attributes]);
  const change = (next: readonly Attribute[]): void => {
    const changed = contextOf(next);
    if (changed !== undefined) storeContext(sessionStorage, changed);
    setAttributes(next);
  };
  return { attributes, context, change };
};

type Trial = {
  readonly environment: string;
  /** The draft, or undefined if nothing is edited. */
  readonly draft: FlagDocument | undefined;
  readonly check: Check;
  readonly flag: string;
  readonly context: Context | undefined;
  /** Names the state of all flags, any of which may be a condition of this one. */
  readonly revision: string;
};

/** Evaluates a flag for a context in all environments, and its draft in one. */
export const useTrial = (api: Api, { environment, draft, check, ...trial }: Trial) => {
  const settings = { placeholderData: keepPreviousData, retry: retryWhenBusy };
  const context = useSettled(trial.context);
  const live = useQuery({
    queryKey: ['compare', trial.flag, context, trial.revision] as const,
    queryFn: () => compare(api, trial.flag, context ?? {}),
    enabled: context !== undefined,
    ...settings,
  });
  const settled = useSettled(draft);
  const drafted = useQuery({
    queryKey: ['try', environment, settled, context, trial.revision] as const,
    queryFn: () => preview(api, { environment, draft: settled, context: context ?? {} }),
    enabled: context !== undefined && settled !== undefined && !check.isChecking && isValid(check),
    ...settings,
  });
  return {
    evaluations: live.data,
    draft: draft !== undefined && isValid(check) ? drafted.data : undefined,
    error: live.error ?? (draft === undefined ? null : drafted.error),
  };
};

const isValid = ({ problems }: Check): boolean => problems.length === 0;

const compare = async ({ procedures }: Api, flagKey: string, context: Context) =>
  (await procedures.evaluation.compare.mutate({ flagKey, context })).evaluations;

type DraftTrial = {
  readonly environment: string;
  readonly draft: FlagDocument | undefined;
  readonly context: Context;
};

/** Resolves with null if there is nothing to evaluate: a query must have a result. */
const preview = async ({ procedures }: Api, { environment, draft, context }: DraftTrial) => {
  if (draft === undefined || !isFlagInput(draft)) return null;
  const { results } = await procedures.evaluation.preview.mutate({
    environment,
    flag: draft,
    contexts: [context],
  });
  return results[0]?.evaluations[0]?.draft ?? null;
};
