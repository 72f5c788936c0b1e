import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';

import { isTrackedEnvelope, tracked } from '@trpc/server';

import { textOf } from '../router/tracked.ts';
import { runInSlices } from '../slices.ts';
import { mapEvents } from '../streaming/each-event.ts';
import { isSmall, jsonSteps } from './json-text.ts';
import { inTurns, partsOf } from './parts.ts';

/**
 * The large texts of one response. tRPC serializes a result at once, and what several readers receive for each
 * of them. So these texts are made before, and tRPC serializes a mark in place of each.
 */
export type Texts = {
  /** Returns what tRPC serializes in place of a result: a mark if it is large or shared. */
  readonly markIn: (result: unknown) => Promise<unknown>;
  readonly isEmpty: () => boolean;
  /** Returns JSON of tRPC with the texts in the places of their marks, which are then forgotten. */
  readonly fill: (json: string) => Generator<Uint8Array, void>;
};

/** Never part of a result: random, and not known outside of this process. */
const SECRET = randomUUID();
const MARK = new RegExp(`"${SECRET}:(\\d+)"`);

export const createTexts = (): Texts => {
  const texts = new Map<string, Iterable<Uint8Array>>();
  let count = 0;

  const mark = (text: Iterable<Uint8Array>): string => {
    count += 1;
    texts.set(String(count), text);
    return `${SECRET}:${count}`;
  };
  const take = (id: string): Iterable<Uint8Array> => {
    const text = texts.get(id) ?? [];
    texts.delete(id);
    return text;
  };
  const markIn = async (result: unknown): Promise<unknown> => {
    const text = await textOf(result);
    if (text !== undefined) return mark(text);
    if (isAsyncIterable(result)) return mapEvents(result, withMark);
    return isSmall(result) ? result : mark(await runInSlices(jsonSteps(result)));
  };
  const withMark = async (event: unknown): Promise<{} | undefined> =>
    isTrackedEnvelope(event) ? tracked(event[0], await markIn(event[1])) : (event ?? undefined);
  /** Every other part is the id of a text. */
  function* fill(json: string): Generator<Uint8Array, void> {
    for (const [index, part] of json.split(MARK).entries()) {
      if (index % 2 === 0) yield Buffer.from(part);
      else yield* take(part);
    }
  }

  return {
    markIn,
    isEmpty: () => texts.size === 0,
    fill,
  };
};

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown, void> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

const decoder = new TextDecoder();

/** Fills the texts into a stream of tRPC, each of whose chunks has whole lines. The reader sets the pace. */
export const fillStream = (stream: AsyncIterable<Uint8Array>, texts: Texts): Readable =>
  Readable.from(filledChunks(stream, texts), { objectMode: false });

async function* filledChunks(
  stream: AsyncIterable<Uint8Array>,
  texts: Texts,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of stream) {
    if (texts.isEmpty()) yield chunk;
    else yield* inTurns(partsOf(texts.fill(decoder.decode(chunk))));
  }
}
