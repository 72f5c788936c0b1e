import type { ApiInputs, ApiOutputs } from '@pennon/client';
import { infiniteQueryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import type { AuditSearch } from './audit-search.ts';

export type AuditEntry = ApiOutputs['audit']['list']['items'][number];
export type AuditAction = AuditEntry['action'];

/** All actions. The compiler refuses a list that lacks one. */
const ACTION_SET: Readonly<Record<AuditAction, true>> = {
  'flag.create': true,
  'flag.replace': true,
  'flag.update': true,
  'flag.delete': true,
  'flag.copy': true,
  'flag.revert': true,
  'segment.create': true,
  'segment.replace': true,
  'segment.update': true,
  'segment.delete': true,
  'segment.copy': true,
  'segment.revert': true,
  'metric.create': true,
  'metric.replace': true,
  'metric.update': true,
  'metric.delete': true,
  'metric.copy': true,
  'experiment.create': true,
  'experiment.replace': true,
  'experiment.update': true,
  'experiment.delete': true,
  'experiment.copy': true,
  'experiment.start': true,
  'experiment.restart': true,
  'experiment.settle': true,
  'experiment.end': true,
  'experiment.stop': true,
  'experiment.decide': true,
  'experiment.pause': true,
  'experiment.rollback': true,
  'experiment.warn': true,
  'layer.create': true,
  'layer.replace': true,
  'layer.update': true,
  'layer.delete': true,
  'layer.claim': true,
  'layer.release': true,
  'ramp.create': true,
  'ramp.replace': true,
  'ramp.update': true,
  'ramp.delete': true,
  'ramp.copy': true,
  'ramp.start': true,
  'ramp.pause': true,
  'ramp.resume': true,
  'ramp.advance': true,
  'ramp.approve': true,
  'ramp.rollback': true,
  'ramp.complete': true,
  'ramp.warn': true,
  'environment.create': true,
  'environment.update': true,
  'environment.delete': true,
  'environment.restore': true,
  'environment.purge': true,
  'environment.import': true,
  'environment.recover': true,
  'key.create': true,
  'key.delete': true,
  'person.create': true,
  'person.update': true,
  'person.delete': true,
  'group.create': true,
  'group.update': true,
  'group.delete': true,
  'invitation.create': true,
  'invitation.delete': true,
  'session.create': true,
  'session.delete': true,
};

const isAction = (name: string): name is AuditAction => Object.hasOwn(ACTION_SET, name);

export const ACTIONS: readonly AuditAction[] = Object.keys(ACTION_SET).filter(isAction);

type AuditQuery = NonNullable<ApiInputs['audit']['list']>;

const PAGE_SIZE = 50;

/** Returns the time of an input in UTC, or undefined if it is not a time. */
const toInstant = (local: string | undefined): string | undefined => {
  const time = new Date(local ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
};

/** Returns the request for the entries that a search finds. */
export const toQuery = ({ action, from, until, ...search }: AuditSearch): AuditQuery => ({
  ...search,
  action: ACTIONS.find(each => each === action),
  from: toInstant(from),
  until: toInstant(until),
});

export const auditOptions = ({ procedures }: Api, search: AuditSearch) =>
  infiniteQueryOptions({
    queryKey: ['audit', search] as const,
    queryFn: ({ pageParam }) =>
      procedures.audit.list.query({
        ...toQuery(search),
        limit: PAGE_SIZE,
        cursor: pageParam || undefined,
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    retry: false,
  });

/** One field that an entry changes. */
export type FieldChange = {
  readonly title: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const toText = (value: unknown): string | undefined => {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
};

/** Fields that every write changes. */
const UNREMARKABLE = new Set(['version', 'createdAt', 'updatedAt']);

/** Returns what an entry changes, by field. */
export const changesOf = ({ before, after }: AuditEntry): readonly FieldChange[] => {
  const [old, next] = [isObject(before) ? before : {}, isObject(after) ? after : {}];
  return [...new Set([...Object.keys(old), ...Object.keys(next)])]
    .filter(name => !UNREMARKABLE.has(name))
    .map(title => ({ title, before: toText(old[title]), after: toText(next[title]) }))
    .filter(change => change.before !== change.after);
};

/** A flag or segment that was deleted, and can be brought back. */
export type Deletion = {
  readonly kind: 'flag' | 'segment';
  readonly environment: string;
  readonly key: string;
  readonly version: number;
};

/** Returns what an entry has deleted, if a version of it can be brought back. */
export const deletionOf = ({
  action,
  kind,
  environment,
  key,
  before,
}: AuditEntry): Deletion | undefined => {
  if (action !== 'flag.delete' && action !== 'segment.delete') return undefined;
  if (kind !== 'flag' && kind !== 'segment') return undefined;
  const version = isObject(before) ? before['version'] : undefined;
  return typeof version === 'number' ? { kind, environment, key, version } : undefined;
};
