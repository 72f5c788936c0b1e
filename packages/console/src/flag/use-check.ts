import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { detailsOf, isExplained, statusOf } from '../api/errors.ts';
import { useSettled } from '../app/use-settled.ts';
import { isFlagInput, type FlagDocument } from './document.ts';

/** What the server finds in a draft, at the path of a field. */
export type Finding = { readonly path: string; readonly message: string };

/** One preview has at most this many contexts. */
const MAX_CONTEXTS = 20;
/** An environment has at most this many saved ones. */
const MAX_SAVED_CONTEXTS = 200;
const TOO_MANY_REQUESTS = 429;
const MAX_RETRIES = 3;

/** The server runs few previews of one person at the same time. */
export const retryWhenBusy = (failures: number, error: Error): boolean =>
  statusOf(error) === TOO_MANY_REQUESTS && failures < MAX_RETRIES;

export const contextsOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['contexts', environment] as const,
    queryFn: () => procedures.contexts.list.query({ environment, limit: MAX_SAVED_CONTEXTS }),
  });

/** Returns what the server finds in a draft, and what saved contexts would get. */
export const useCheck = (api: Api, environment: string, document: FlagDocument) => {
  const { data: contexts } = useQuery(contextsOptions(api, environment));
  const saved = contexts?.items.slice(0, MAX_CONTEXTS);
  const settled = useSettled(document);
  const { data, error, isFetching } = useQuery({
    queryKey: ['preview', environment, settled, saved] as const,
    queryFn: () => preview(api, environment, settled, saved ?? []),
    enabled: saved !== undefined,
    placeholderData: keepPreviousData,
    retry: retryWhenBusy,
  });
  return {
    problems: error === null ? [] : problemsOf(error),
    warnings: data?.warnings ?? [],
    results: error === null ? (data?.results ?? []) : [],
    isChecking: isFetching || settled !== document,
  };
};

export type Check = ReturnType<typeof useCheck>;

export type SavedContext = Awaited<
  ReturnType<Api['procedures']['contexts']['list']['query']>
>['items'][number];

const preview = async (
  { procedures }: Api,
  environment: string,
  flag: FlagDocument,
  saved: readonly SavedContext[],
) => {
  if (!isFlagInput(flag)) return undefined;
  const contexts = saved.length === 0 ? [{}] : saved.map(({ context }) => context);
  const checked = await procedures.evaluation.preview.mutate({ environment, flag, contexts });
  const results = saved.flatMap(({ key, name }, index) =>
    (checked.results[index]?.evaluations ?? []).map(evaluation => ({
      key,
      name: name ?? key,
      evaluation,
    })),
  );
  return { results, warnings: checked.warnings ?? [] };
};

/** Fields of the draft have the path that they have in a flag. */
const problemsOf = (error: unknown): readonly Finding[] => {
  const details = detailsOf(error).map(({ path, message }) => ({
    path: path.replace(/^flag\./, ''),
    message,
  }));
  if (details.length > 0) return details;
  return isExplained(error) ? [{ path: '', message: error.message }] : [];
};

/** Returns the findings at a field and inside it. */
export const findingsAt = (findings: readonly Finding[], path: string): readonly Finding[] =>
  findings.filter(finding => finding.path === path || finding.path.startsWith(`${path}.`));
