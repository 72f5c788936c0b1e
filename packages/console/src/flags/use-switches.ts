import { useCallback, useState } from 'react';

import type { Api } from '../api/api.ts';
import { pendingKey } from './flag-grid.tsx';
import { overviewOptions } from './follow-overview.ts';
import { withEnabled } from './overview.ts';
import type { SwitchChange } from './review-dialog.tsx';

/** Enables and disables flags, and keeps which changes the server has not confirmed yet. */
export const useSwitches = (api: Api) => {
  const [pending, setPending] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [error, setError] = useState<unknown>();

  // All rows have it, so it must stay the same function.
  const apply = useCallback(
    (change: SwitchChange, comment: string): void => {
      setError(undefined);
      setPending(known => withPending(known, change, change.enabled));
      write(api, change, comment)
        .then(() =>
          api.queries.setQueryData(
            overviewOptions(api).queryKey,
            known => known && withEnabled(known, change),
          ),
        )
        .catch(setError)
        .finally(() => setPending(known => withPending(known, change, undefined)));
    },
    [api],
  );
  return { pending, error, apply, dismiss: () => setError(undefined) };
};

const withPending = (
  known: ReadonlyMap<string, boolean>,
  { environment, keys }: SwitchChange,
  enabled: boolean | undefined,
): ReadonlyMap<string, boolean> => {
  const next = new Map(known);
  for (const key of keys.map(each => pendingKey(environment, each)))
    if (enabled === undefined) next.delete(key);
    else next.set(key, enabled);
  return next;
};

/** Makes the change in one commit. */
const write = async ({ procedures }: Api, change: SwitchChange, comment: string): Promise<void> => {
  const { environment, keys, enabled } = change;
  const [key, ...others] = keys;
  const options = { context: { comment } };
  if (key !== undefined && others.length === 0)
    await procedures.flags.update.mutate({ environment, key, enabled }, options);
  else
    await procedures.flags.updateMany.mutate(
      { environment, keys: [...keys], patch: { enabled } },
      options,
    );
};
