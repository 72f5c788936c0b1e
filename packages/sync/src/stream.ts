import { createParser } from 'eventsource-parser';

import type { SyncedResource } from './synced-resource.ts';
import type { ConnectionScope } from './connection-scope.ts';
import { RESPONSE_TIMEOUT_MS, IDLE_TIMEOUT_MS } from './timing.ts';
import type { FollowerState } from './follower-state.ts';
import { gap, syncError } from './errors.ts';

/** Reads one stream for as long as it lives: never resolves, and rejects with why it died. */
export const readStream = async <Data, Changed>(
  kind: SyncedResource<Data, Changed>,
  life: ConnectionScope,
  standing: FollowerState<Data, Changed>,
  onBegin: () => void,
): Promise<never> => {
  let begun = false;
  const parser = createParser({
    onEvent(message) {
      const { event = '' } = message;
      // Ended by a listener between two events of one chunk.
      const hear = Object.hasOwn(kind.events, event) ? kind.events[event] : undefined;
      if (life.closed() || hear === undefined) return;
      if (!begun && !kind.opening.includes(event)) throw gap('the stream has no beginning');
      const update = hear(standing.data(), message);
      if (!begun) onBegin();
      begun = true;
      standing.learn(update, 'stream');
    },
  });
  const { headers } = await life.send(kind.streamOf(standing.data()), RESPONSE_TIMEOUT_MS, text => {
    parser.feed(text);
    return begun ? IDLE_TIMEOUT_MS : RESPONSE_TIMEOUT_MS;
  });
  const came = headers.get('content-type') ?? 'nothing';
  throw syncError(begun ? 'the stream has closed' : `no event stream but ${came} came`);
};
