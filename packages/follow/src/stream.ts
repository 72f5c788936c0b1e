import { createParser } from 'eventsource-parser';

import type { Kind } from './kind.ts';
import type { Life } from './life.ts';
import { NO_ANSWER_MS, SILENCE_MS } from './pace.ts';
import type { Standing } from './standing.ts';
import { gap, trouble } from './trouble.ts';

/** Reads one stream for as long as it lives: never resolves, and rejects with why it died. */
export const readStream = async <Data>(
  kind: Kind<Data>,
  life: Life,
  standing: Standing<Data>,
  onBegin: () => void,
): Promise<never> => {
  let begun = false;
  const parser = createParser({
    onEvent(message) {
      const { event = '' } = message;
      // Ended by a listener between two events of one chunk.
      const hear = Object.hasOwn(kind.events, event) ? kind.events[event] : undefined;
      if (life.ended() || hear === undefined) return;
      if (!begun && !kind.opening.includes(event)) throw gap('the stream has no beginning');
      const data = hear(standing.data(), message);
      if (!begun) onBegin();
      begun = true;
      standing.learn(data, 'stream');
    },
  });
  const { headers } = await life.send(kind.streamOf(standing.data()), NO_ANSWER_MS, text => {
    parser.feed(text);
    return begun ? SILENCE_MS : NO_ANSWER_MS;
  });
  const came = headers.get('content-type') ?? 'nothing';
  throw trouble(begun ? 'the stream has ended' : `no event stream but ${came} came`);
};
