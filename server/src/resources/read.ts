import type { PersistentMap } from '@pennon/engine/persistent-map';
import { didYouMean } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { environmentOf, type Caller } from '../auth/caller.ts';
import { searchedText } from '../flag-set/searched-text.ts';
import { bytesOf } from '../flag-set/size.ts';
import { cursorsFor, type Page, type PageQuery } from '../page.ts';
import { requireLedger, type Documents, type Snapshot, type Stored } from '../store/store.ts';
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

/** The bytes of the documents of a page, if it has several: what is sent in one turn of the event loop. */
const MAX_PAGE_BYTES = 1_048_576;

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

/**
 * Returns a page in the order of keys, without reading documents of other pages. The cursor is the key of the last
 * document of the page. Other work continues in between, because a filter may match few of many documents.
 */
export const listDocuments = async <Name extends ResourceName>(
  { type, registry, turns }: ResourceContext<Name>,
  caller: Caller,
  { environment: requested, limit, cursor, ...filter }: ListQuery,
): Promise<Page<Documents[Name]>> => {
  const { replica } = registry.find(environmentOf(caller, requested));
  const cursors = cursorsFor(replica.ledger.id, [type.collection, filter]);
  const after = cursors.read(cursor) ?? '';
  // So a change by any server is visible at once.
  await replica.refresh();
  const records = recordsOf(type, replica.current());
  const matches = matcher(filter);
  const page = createPage<Documents[Name]>(limit);
  for (const key of records.keysAfter(after)) {
    if (turns.isOver()) await turns.next();
    const document = records.get(key)?.document;
    if (document === undefined || !matches(document)) continue;
    if (!page.add(document))
      return { items: page.items, nextCursor: cursors.write(page.lastKey()) };
  }
  return { items: page.items, nextCursor: null };
};

type Listed = Documents[ResourceName];

/** Collects documents up to a number of them and of bytes. */
const createPage = <Document extends Listed>(limit: number) => {
  const items: Document[] = [];
  let bytes = 0;
  return {
    items,
    lastKey: () => items.at(-1)?.key ?? '',
    /** Returns false, and adds nothing, if the page is full. */
    add(document: Document): boolean {
      bytes += bytesOf(document);
      if (items.length === limit || (items.length > 0 && bytes > MAX_PAGE_BYTES)) return false;
      items.push(document);
      return true;
    },
  };
};

/** Returns the stored documents of a resource type. */
export const recordsOf = <Name extends ResourceName>(
  { collection }: ResourceType<Name>,
  { records }: Snapshot<'flagSet'>,
): PersistentMap<Stored<Documents[Name]>> => records[collection];

/** Returns a predicate that holds if a document matches every given filter. */
const matcher = ({ search, tag, ...fields }: Filter): ((document: Listed) => boolean) => {
  const text = search?.toLowerCase();
  const wanted = Object.entries<unknown>(fields).filter(([, value]) => value !== undefined);
  return document =>
    (tag === undefined || (document.tags ?? []).includes(tag)) &&
    (text === undefined || searchedText(document).includes(text)) &&
    wanted.every(([field, value]) => Reflect.get(document, field) === value);
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
