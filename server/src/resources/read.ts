import type { Flag, Segment } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { environmentOf, type Caller } from '../auth/caller.ts';
import { cursorsFor, type Page, type PageQuery } from '../page.ts';
import { requireLedger, type Documents, type Stored } from '../store/store.ts';
import { entityTag } from './entity-tag.ts';
import type { ResourceKey, ResourceName, ResourceServices, ResourceType } from './resource-type.ts';

export type ListQuery = PageQuery & Filter & { readonly environment?: string | undefined };

/** Every other property of a filter must equal the document's field of the same name. */
type Filter = {
  /** Text in the key, name or description; case is ignored. */
  readonly search?: string | undefined;
  readonly tag?: string | undefined;
};

export type WithEtag<Document> = Document & { etag: string };

/** Documents read from the store in one request while listing. */
const CHUNK = 500;

/** Reads from the store rather than from memory, so a change by any server is visible at once. */
export const createReader = <Name extends ResourceName>(
  type: ResourceType<Name>,
  { store, registry }: ResourceServices,
) => {
  const ledgerOf = (environment: string) => registry.find(environment).replica.ledger;

  /** Every document after a key, in the order of keys. Throws if the ledger is missing. */
  async function* documents(
    environment: string,
    after: string | undefined,
  ): AsyncGenerator<Documents[Name]> {
    const ledger = ledgerOf(environment);
    for (;;) {
      const chunk = await store.page(ledger, type.collection, { after, limit: CHUNK });
      for (const { document } of chunk) yield document;
      after = chunk.at(-1)?.document.key ?? after;
      if (after === undefined) await requireLedger(store, ledger);
      if (chunk.length < CHUNK) return;
    }
  }

  return {
    get: async (
      caller: Caller,
      { environment: requested, key }: ResourceKey,
    ): Promise<WithEtag<Documents[Name]>> => {
      const environment = environmentOf(caller, requested);
      const ledger = ledgerOf(environment);
      const found = await store.get(ledger, type.collection, key);
      if (found !== undefined) return withEtag(found);
      await requireLedger(store, ledger);
      throw notFound(type, key, environment);
    },

    /** The cursor is the key of the last document of the page. */
    list: async (
      caller: Caller,
      { environment: requested, limit, cursor, ...filter }: ListQuery,
    ): Promise<Page<Documents[Name]>> => {
      const environment = environmentOf(caller, requested);
      const cursors = cursorsFor(ledgerOf(environment).id, [type.collection, filter]);
      const matches = matcher(filter);
      const items: Documents[Name][] = [];
      for await (const document of documents(environment, cursors.read(cursor))) {
        if (!matches(document)) continue;
        const last = items.at(-1);
        if (items.length === limit && last !== undefined)
          return { items, nextCursor: cursors.write(last.key) };
        items.push(document);
      }
      return { items, nextCursor: null };
    },
  };
};

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
): PennonError =>
  new PennonError('NOT_FOUND', `${kind} "${key}" does not exist in environment "${environment}"`);
