import type { SyncedResource } from './synced-resource.ts';
import type { ConnectionScope } from './connection-scope.ts';
import { RESPONSE_TIMEOUT_MS } from './timing.ts';
import type { FollowerState } from './follower-state.ts';
import { toSyncError } from './errors.ts';
import type { SyncError } from './errors.ts';

/** Asks for the data once, unless they are as before. Answers what went wrong. */
export type Poll = () => Promise<SyncError | undefined>;

export const createPoll = <Data, Changed>(
  kind: SyncedResource<Data, Changed>,
  life: ConnectionScope,
  standing: FollowerState<Data, Changed>,
): Poll => {
  let tag: { readonly data: Data; readonly etag: string | null } | undefined;
  let underWay: Promise<SyncError | undefined> | undefined;

  /** The tag of the last poll's answer, while its data are the newest. */
  const etagNow = (): string | undefined => {
    const data = standing.data();
    if (data === undefined) return undefined;
    return (data === tag?.data ? tag.etag : undefined) ?? kind.etagOf(data);
  };

  /** A stream that has begun meanwhile knows better. */
  const isOutdated = () => life.closed() || standing.mode() === 'streaming';

  const askOnce = async (): Promise<void> => {
    let text = '';
    const before = standing.data();
    const { status, headers } = await life.send(
      kind.pollOf(etagNow()),
      RESPONSE_TIMEOUT_MS,
      part => {
        text += part;
        return RESPONSE_TIMEOUT_MS;
      },
    );
    if (isOutdated()) return;
    const data = status === 304 && before !== undefined ? before : kind.read(text);
    tag = { data, etag: headers.get('etag') };
    standing.learn({ data }, 'poll');
  };

  const failed = (thrown: unknown): SyncError | undefined => {
    if (isOutdated()) return undefined;
    const error = toSyncError(thrown);
    standing.fail(error);
    standing.enter('disconnected');
    return error;
  };

  // One at a time: whoever asks meanwhile gets the same answer.
  return () =>
    (underWay ??= askOnce()
      .then(() => undefined, failed)
      .finally(() => {
        underWay = undefined;
      }));
};
