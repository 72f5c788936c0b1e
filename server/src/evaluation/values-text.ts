import { measuredText } from './audience.ts';
import { RESULTS_BY_KEY } from './bulk-evaluation.ts';
import type { Values } from './follow-values.ts';

/** Values as they are sent, with the revision of the flags that the reader sees. */
export type SentValues = Values & { readonly revision: number };

/** How many characters of members are made at a time, so that a slow reader does not keep all of them. */
const PIECE_LENGTH = 16_384;

/**
 * Serializes values in pieces, each when it is sent. `before` ends with the brace that opens the object, or with a
 * member and a comma; `after` follows the closing brace.
 */
export function* textOfValues(
  values: SentValues,
  { before, after }: { readonly before: string; readonly after: string },
): Generator<Uint8Array, void> {
  const environment = JSON.stringify(values.view.flagSet.environment);
  const measured = measuredText(values.measured);
  let text = `${before}"revision":${values.revision},"environment":${environment},${measured}"evaluations":{`;
  let separator = '';
  for (const member of membersOf(values)) {
    text += separator + member;
    separator = ',';
    if (text.length < PIECE_LENGTH) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(`${text}}}${after}`);
}

function* membersOf({ view, evaluations, removed }: Values): Generator<string, void> {
  for (const each of evaluations) yield RESULTS_BY_KEY.textOf(each, view);
  for (const key of removed) yield `${JSON.stringify(key)}:null`;
}
