import type { Environment } from '@pennon/schema';

import { canAccess, type Caller } from '../auth/caller.ts';
import { cursorsFor, pageOf, type Page, type PageQuery } from '../page.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { DeletedEnvironment } from '../store/store.ts';
import { toEnvironment } from './environments.ts';

/** An environment in a list, with two more fields if it is deleted. */
export type ListedEnvironment = Environment & { deletedAt?: string; purgeAt?: string };

/** Returns a page of the environments that the caller's key can access, in the order of their keys. */
export const listEnvironments = (
  control: Replica<'control'>,
  caller: Caller,
  { deleted = false, ...query }: PageQuery & { readonly deleted?: boolean | undefined },
): Page<ListedEnvironment> => {
  if (deleted) return listDeletedEnvironments(control, caller, query);
  const all = [...control.current().records.environments.values()]
    .map(({ document }) => toEnvironment(document))
    .filter(({ key }) => canAccess(caller, key));
  const cursors = cursorsFor(cursorSecret(control), ['environments', ...caller.environments]);
  return pageOf(all, ({ key }) => key, cursors, query);
};

/** Returns a page of the environments that can be restored, in the order of their keys. */
const listDeletedEnvironments = (
  control: Replica<'control'>,
  caller: Caller,
  query: PageQuery,
): Page<ListedEnvironment> => {
  const { records } = control.current();
  const all =
    caller.everywhere !== undefined
      ? [...records.deletedEnvironments.values()]
          .map(({ document }) => document)
          .filter(({ purgedAt }) => purgedAt === undefined)
      : [];
  const cursors = cursorsFor(cursorSecret(control), [
    'deletedEnvironments',
    ...caller.environments,
  ]);
  const page = pageOf(all, positionOf, cursors, query);
  return { ...page, items: page.items.map(toListed) };
};

/** A space sorts before every character of a key. */
const positionOf = ({ environment: { key, ledger }, deletedAt }: DeletedEnvironment): string =>
  `${key} ${deletedAt} ${ledger}`;

const toListed = ({ environment, deletedAt, purgeAt }: DeletedEnvironment): ListedEnvironment => ({
  ...toEnvironment(environment),
  deletedAt,
  purgeAt,
});
