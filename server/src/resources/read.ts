import { didYouMean, type Flag, type Segment } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { environmentOf, type Caller } from '../auth/caller.ts';
import { cursorsFor, type Page, type PageQuery } from '../page.ts';
import {
  requireLedger,
  type Documents,
  type Ledger,
  type Store,
  type Stored,
} from '../store/store.ts';
import { entityTag } from './entity-tag.ts';
import type { ResourceContext, ResourceKey, ResourceName, ResourceType } from './resource-type.ts';

export type ListQuery = PageQuery & Filter & { readonly environment?: string | undefined };

/**
 * Conditions of a list, all of which a document must meet. `search` and `tag` exist for every resource type;
 * any other property, such as `enabled`, is the value that the field of that name must have.
 */
type Filter = {
  /** Text in the key, name or description; case is ignored. */
  readonly search?: string | undefined;
  readonly tag?: string | undefined;
};

export type WithEtag<Document> = Document & { etag: string };

/** How many documents a list reads from the store at a time. */
const CHUNK_SIZE = 500;

// The use cases read the store, not the replica, so a change by any server is visible at once.

/** Throws NOT_FOUND if the document does not exist. */
export const getDocument = async <Name extends ResourceName>(
  { type, store, registry }: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, key }: ResourceKey,
): Promise<WithEtag<Documents[Name]>> => {
  const environment = environmentOf(caller, requested);
  const { replica } = registry.find(environment);
  const { ledger } = replica;
  const found = await store.get(ledger, type.collection, key);
  if (found !== undefined) return withEtag(found);
  await requireLedger(store, ledger);
  throw notFound(type, key, environment, replica.current().records[type.collection]);
};

/** Returns a page in the order of keys. The cursor is the key of the last document of the page. */
export const listDocuments = async <Name extends ResourceName>(
  { type, store, registry }: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, limit, cursor, ...filter }: ListQuery,
): Promise<Page<Documents[Name]>> => {
  const { ledger } = registry.find(environmentOf(caller, requested)).replica;
  const cursors = cursorsFor(ledger.id, [type.collection, filter]);
  const matches = matcher(filter);
  const items: Documents[Name][] = [];
  for await (const document of documentsAfter(cursors.read(cursor), store, ledger, type)) {
    if (!matches(document)) continue;
    const last = items.at(-1);
    if (items.length === limit && last !== undefined)
      return { items, nextCursor: cursors.write(last.key) };
    items.push(document);
  }
  return { items, nextCursor: null };
};

/** Yields every document after a key, in the order of keys. Throws if the ledger is missing. */
async function* documentsAfter<Name extends ResourceName>(
  key: string | undefined,
  store: Store,
  ledger: Ledger,
  { collection }: ResourceType<Name>,
): AsyncGenerator<Documents[Name]> {
  let after = key;
  for (;;) {
    const chunk = await store.page(ledger, collection, { after, limit: CHUNK_SIZE });
    for (const { document } of chunk) yield document;
    after = chunk.at(-1)?.document.key ?? after;
    if (after === undefined) await requireLedger(store, ledger);
    if (chunk.length < CHUNK_SIZE) return;
  }
}

/** Returns a predicate that holds if a document matches every given filter. */
const matcher = ({ search, tag, ...fields }: Filter): ((document: Flag | Segment) => boolean) => {
  const text = search?.toLowerCase();
  const wanted = Object.entries<unknown>(fields).filter(([, value]) => value !== undefined);
  return document => {
    const { key, name, description, tags } = document;
    return (
      (tag === undefined || (tags ?? []).includes(tag)) &&
      (text === undefined ||
        [key, name, description].some(field => field?.toLowerCase().includes(text) === true)) &&
      wanted.every(([field, value]) => Reflect.get(document, field) === value)
    );
  };
};

export const withEtag = <Document>({
  document,
  changeId,
}: Stored<Document>): WithEtag<Document> => ({ ...document, etag: entityTag(changeId) });

export const notFound = (
  { kind }: Pick<ResourceType, 'kind'>,
  key: string,
  environment: string,
  known: ReadonlyMap<string, unknown>,
): PennonError =>
  new PennonError(
    'NOT_FOUND',
    `${kind} "${key}" does not exist in environment "${environment}"${didYouMean(key, [...known.keys()])}`,
  );
