import { changedFields } from './changes.ts';
import { isSame, type FlagDocument } from './document.ts';

/** Edits of one flag in one environment that are not written yet. */
export type Draft = {
  /** The flag as it was when the edits began, and its entity tag. */
  readonly base: FlagDocument;
  readonly etag: string;
  readonly document: FlagDocument;
};

export type DraftStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export const hasEdits = ({ base, document }: Draft): boolean =>
  changedFields(base, document).length > 0;

const nameOf = (environment: string, key: string): string => `pennon-draft ${environment} ${key}`;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isDocument = (value: unknown): value is FlagDocument =>
  isObject(value) && Array.isArray(value['rules']) && isObject(value['variants']);

const isDraft = (value: unknown): value is Draft =>
  isObject(value) &&
  typeof value['etag'] === 'string' &&
  isDocument(value['base']) &&
  isDocument(value['document']);

/** Returns the draft of this browser, or undefined if there is none that it can read. */
export const readDraft = (
  storage: DraftStorage,
  environment: string,
  key: string,
): Draft | undefined => {
  try {
    const value: unknown = JSON.parse(storage.getItem(nameOf(environment, key)) ?? 'null');
    return isDraft(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Keeps the draft for the next time, unless nothing is edited. A browser may have no room for it. */
export const storeDraft = (storage: DraftStorage, environment: string, draft: Draft): void => {
  const name = nameOf(environment, draft.base.key);
  try {
    if (hasEdits(draft)) storage.setItem(name, JSON.stringify(draft));
    else storage.removeItem(name);
  } catch {
    // The draft is still in the page.
  }
};

export const dropDraft = (storage: DraftStorage, environment: string, key: string): void =>
  storage.removeItem(nameOf(environment, key));

/** Whether a flag has been written since the edits began. */
export const isOutdated = (draft: Draft, live: Draft): boolean =>
  draft.etag !== live.etag && !isSame(draft.base, live.base);
