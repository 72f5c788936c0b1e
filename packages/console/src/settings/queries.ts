import type { ApiOutputs } from '@pennon/client';
import { queryOptions } from '@tanstack/react-query';

import type { Api } from '../api/api.ts';
import { readAll } from '../api/pages.ts';

export type Environment = ApiOutputs['environments']['list']['items'][number];
export type ApiKey = ApiOutputs['keys']['list']['items'][number];
export type Person = ApiOutputs['people']['list']['items'][number];
export type Group = ApiOutputs['groups']['list']['items'][number];
export type Invitation = ApiOutputs['invitations']['list']['items'][number];
export type OpenSession = ApiOutputs['sessions']['list']['items'][number];

/** Environments without an order are the last. */
const LAST = Number.MAX_SAFE_INTEGER;

/** Environments in the order in which people see them. */
export const environmentsOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['environments', 'existing'] as const,
    queryFn: async () => {
      const all = await readAll(page => procedures.environments.list.query(page));
      return all.toSorted((a, b) => (a.order ?? LAST) - (b.order ?? LAST));
    },
  });

export const deletedEnvironmentsOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['environments', 'deleted'] as const,
    queryFn: () => readAll(page => procedures.environments.list.query({ ...page, deleted: true })),
  });

export const keysOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['keys'] as const,
    queryFn: () => readAll(page => procedures.keys.list.query(page)),
  });

export const peopleOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['people'] as const,
    queryFn: () => readAll(page => procedures.people.list.query(page)),
  });

export const groupsOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['groups'] as const,
    queryFn: () => readAll(page => procedures.groups.list.query(page)),
  });

export const invitationsOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['invitations'] as const,
    queryFn: () => readAll(page => procedures.invitations.list.query(page)),
  });

export const sessionsOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['sessions'] as const,
    queryFn: () => readAll(page => procedures.sessions.list.query(page)),
  });

export const tokensOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['tokens'] as const,
    queryFn: () => readAll(page => procedures.account.listTokens.query(page)),
  });

/** How often the servers report to each other, in milliseconds. */
const REPORT_MS = 2_000;

export const statusOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['status'] as const,
    queryFn: () => procedures.status.read.query({}),
    refetchInterval: REPORT_MS,
  });
