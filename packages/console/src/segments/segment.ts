import type { ApiInputs, ApiOutputs } from '@pennon/client';
import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { readAll } from '../api/pages.ts';
import { isFlagInput, type Condition } from '../flag/document.ts';

export type SegmentResponse = ApiOutputs['segments']['get'];
type SegmentPatch = ApiInputs['segments']['update'];
type SegmentCreate = ApiInputs['segments']['create'];
export type Context = ApiInputs['evaluation']['preview']['contexts'][number];

/** All segments of an environment. */
export const segmentListOptions = ({ procedures }: Api, environment: string) =>
  queryOptions({
    queryKey: ['segments', 'all', environment] as const,
    queryFn: () => readAll(page => procedures.segments.list.query({ environment, ...page })),
  });

/** A segment as it was read. Nothing replaces it while it is edited. */
export const segmentOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['segments', 'get', environment, key] as const,
    queryFn: () => procedures.segments.get.query({ environment, key }),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

const refersTo = (condition: Condition, segment: string): boolean => {
  if ('segment' in condition) return condition.segment === segment;
  if ('any' in condition) return condition.any.some(each => refersTo(each, segment));
  return 'all' in condition && condition.all.some(each => refersTo(each, segment));
};

/** The keys of the flags that use a segment. */
export const usersOptions = ({ procedures }: Api, environment: string, key: string) =>
  queryOptions({
    queryKey: ['segments', 'users', environment, key] as const,
    queryFn: async () => {
      const flags = await readAll(page => procedures.flags.list.query({ environment, ...page }));
      return flags
        .filter(({ rules }) =>
          rules.some(({ conditions }) => conditions.some(each => refersTo(each, key))),
        )
        .map(flag => flag.key);
    },
  });

/** The server, and only the server, checks whether a segment is valid. */
const isPatch = (segment: object): segment is SegmentPatch => 'key' in segment;
const isCreate = (segment: object): segment is SegmentCreate => 'key' in segment;

export type SegmentEdits = {
  readonly name: string;
  readonly description: string;
  readonly conditions: readonly Condition[];
};

type SegmentWrite = SegmentEdits & {
  readonly environment: string;
  readonly key: string;
  readonly etag: string;
  readonly comment: string;
};

/** Writes a segment, unless it has been written since it was read. */
export const writeSegment = async (
  { procedures, queries }: Api,
  { name, description, etag, comment, ...segment }: SegmentWrite,
): Promise<void> => {
  const patch = {
    ...segment,
    name: name || null,
    description: description || null,
    ifMatch: etag,
  };
  if (!isPatch(patch)) return;
  await procedures.segments.update.mutate(patch, { context: { comment } });
  await queries.invalidateQueries({ queryKey: ['segments'] });
};

/** Creates a segment with a list of values of one attribute. */
export const createSegment = async (
  { procedures, queries }: Api,
  segment: {
    readonly environment: string;
    readonly key: string;
    readonly name: string | null;
    readonly conditions: readonly Condition[];
  },
): Promise<void> => {
  if (!isCreate(segment)) return;
  await procedures.segments.create.mutate(segment);
  await queries.invalidateQueries({ queryKey: ['segments'] });
};

/** No flag has this key, because it is evaluated as a draft only. */
const TRIAL_KEY = 'pennon.segment.trial';

/** Returns whether conditions hold for a context, with a draft of a flag that has no other rule. */
export const holdsFor = async (
  { procedures }: Api,
  environment: string,
  conditions: readonly Condition[],
  context: Context,
): Promise<boolean> => {
  const flag = {
    key: TRIAL_KEY,
    enabled: true,
    type: 'boolean',
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [{ id: 'trial', conditions, variant: 'on' }],
  };
  if (!isFlagInput(flag)) return false;
  const { results } = await procedures.evaluation.preview.mutate({
    environment,
    flag,
    contexts: [context],
  });
  const draft = results[0]?.evaluations[0]?.draft;
  return draft != null && 'variant' in draft && draft.variant === 'on';
};

/** Returns the context of a text, or undefined if it is not an object in JSON. */
export const parseContext = (text: string): Context | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isContext(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const isContext = (value: unknown): value is Context =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
