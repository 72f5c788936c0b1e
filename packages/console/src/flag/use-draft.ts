import { useMemo, useState } from 'react';

import { documentOf, type FlagDocument, type FlagResponse } from './document.ts';
import { dropDraft, hasEdits, isOutdated, readDraft, storeDraft, type Draft } from './draft.ts';

export type DraftActions = {
  readonly draft: Draft;
  readonly isEdited: boolean;
  /** Whether the flag was written by others since the edits began. */
  readonly isOutdated: boolean;
  readonly edit: (change: Partial<FlagDocument>) => void;
  readonly discard: () => void;
  /** Continues with these edits of the flag as it is now. */
  readonly rebase: (document: FlagDocument) => void;
};

/** Returns the draft without edits. */
const liveDraft = (response: FlagResponse): Draft => {
  const base = documentOf(response);
  return { base, etag: response.etag, document: base };
};

/** Keeps the edits of a flag, also over a reload of the page. */
export const useDraft = (environment: string, response: FlagResponse): DraftActions => {
  const live = useMemo(() => liveDraft(response), [response]);
  const [edited, setEdited] = useState(() => readDraft(localStorage, environment, response.key));
  const draft = edited !== undefined && hasEdits(edited) ? edited : live;
  const discard = (): void => {
    dropDraft(localStorage, environment, response.key);
    setEdited(undefined);
  };
  const keep = (next: Draft): void => {
    storeDraft(localStorage, environment, next);
    setEdited(next);
  };
  return {
    draft,
    isEdited: draft !== live,
    isOutdated: isOutdated(draft, live),
    edit: change => keep({ ...draft, document: { ...draft.document, ...change } }),
    discard,
    rebase: document => keep({ ...live, document }),
  };
};
