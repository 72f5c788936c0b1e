import { afterEach, beforeEach, describe } from 'vitest';

import type { Store } from '../../src/store/store.ts';
import { describeAudit } from './suite/audit.ts';
import { describeChangeFeed } from './suite/change-feed.ts';
import { describeCommits } from './suite/commits.ts';
import { describeDocuments } from './suite/documents.ts';
import { describeDurability } from './suite/durability.ts';
import { describeFleet } from './suite/fleet.ts';
import { describeModel } from './suite/model.ts';
import { describeUsage } from './suite/usage.ts';
import { describeVersions } from './suite/versions.ts';

/** A store with its own data. */
export type OpenedStore = {
  readonly store: Store;
  /** Closes the store and opens it again on the same data. */
  readonly reopen: () => Promise<Store>;
  /** Closes the store and removes its data. */
  readonly cleanup: () => Promise<void>;
};

/** Tests everything that the store port promises. Every store must pass. */
export const describeStore = (name: string, open: () => Promise<OpenedStore>): void => {
  describe(`${name} implements the store port`, () => {
    let current: OpenedStore;
    const opened = (): OpenedStore => current;
    beforeEach(async () => {
      current = await open();
    });
    afterEach(() => current.cleanup());

    describeCommits(opened);
    describeDocuments(opened);
    describeChangeFeed(opened);
    describeAudit(opened);
    describeVersions(opened);
    describeDurability(opened);
    describeModel(opened);
    describeFleet(opened);
    describeUsage(opened);
  });
};
