import { StoreError, type Store } from '../../src/store/store.ts';

/** A store whose writes fail while it is away, as those of a Redis that is down. */
export type AwayStore = { readonly wrap: (store: Store) => Store; isAway: boolean };

export const createAwayStore = (): AwayStore => {
  const away: AwayStore = {
    isAway: false,
    wrap: store => ({
      ...store,
      commit: async (...commit) => {
        if (away.isAway) throw new StoreError('unavailable', 'the store is away');
        return store.commit(...commit);
      },
    }),
  };
  return away;
};
