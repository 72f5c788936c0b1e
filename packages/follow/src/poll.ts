import type { Kind } from './kind.ts';
import type { Life } from './life.ts';
import { NO_ANSWER_MS } from './pace.ts';
import type { Standing } from './standing.ts';
import { asTrouble } from './trouble.ts';
import type { Trouble } from './trouble.ts';

/** Asks for the data once, unless they are as before. Answers what went wrong. */
export type Poll = () => Promise<Trouble | undefined>;

export const createPoll = <Data>(kind: Kind<Data>, life: Life, standing: Standing<Data>): Poll => {
  let tag: { readonly data: Data; readonly etag: string | null } | undefined;
  let underWay: Promise<Trouble | undefined> | undefined;

  /** The tag of the last poll's answer, while its data are the newest. */
  const etagNow = (): string | undefined => {
    const data = standing.data();
    if (data === undefined) return undefined;
    return (data === tag?.data ? tag.etag : undefined) ?? kind.etagOf(data);
  };

  /** A stream that has begun meanwhile knows better. */
  const isOutdated = () => life.ended() || standing.mode() === 'streaming';

  const askOnce = async (): Promise<void> => {
    let text = '';
    const before = standing.data();
    const { status, headers } = await life.send(kind.pollOf(etagNow()), NO_ANSWER_MS, part => {
      text += part;
      return NO_ANSWER_MS;
    });
    if (isOutdated()) return;
    const data = status === 304 && before !== undefined ? before : kind.read(text);
    tag = { data, etag: headers.get('etag') };
    standing.learn(data, 'poll');
  };

  const failed = (thrown: unknown): Trouble | undefined => {
    if (isOutdated()) return undefined;
    const error = asTrouble(thrown);
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
