import { afterEach, beforeEach, describe } from 'vitest';

import type { Store } from '../../src/store/store.ts';
import { describeAudit } from './audit.ts';
import { describeCommits } from './commits.ts';
import { describeDocuments } from './documents.ts';
import { describeDurability } from './durability.ts';
import { describeFeed } from './change-feed.ts';
import { describeModel } from './model.ts';
import { describeServers } from './servers.ts';

/** A store on data of its own. */
export type OpenedStore = {
  readonly store: Store;
  /** Closes the store, and opens it again on the same data. */
  readonly reopen: () => Promise<Store>;
  /** Closes what is open, and removes the data. */
  readonly cleanup: () => Promise<void>;
};

/** The store of the test that runs. */
export type Given = Pick<OpenedStore, 'store' | 'reopen'>;

/** Judges everything that the store port promises. A store is a store when this passes. */
export const describeStore = (name: string, open: () => Promise<OpenedStore>): void => {
  describe(`${name}, by the promises of the port`, { timeout: 60_000 }, () => {
    let opened: OpenedStore;
    const given = (): Given => opened;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(() => opened.cleanup());

    describeCommits(given);
    describeDocuments(given);
    describeFeed(given);
    describeAudit(given);
    describeDurability(given);
    describeModel(given);
    describeServers(given);
  });
};
