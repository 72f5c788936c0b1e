import type { SharedText } from '../flag-set/text.ts';
import type { Steps } from '../slices.ts';
import { PART_BYTES } from './parts.ts';

/** How many values and characters are serialized in one step. */
const STEP_SIZE = 32_768;

/** Whether JSON data is so small that it is serialized in one step. */
export const isSmall = (value: unknown): boolean => sizeLeft(value, STEP_SIZE) >= 0;

/** Returns how much of a size a value leaves, or less than 0 as soon as nothing is left. */
const sizeLeft = (value: unknown, size: number): number => {
  if (typeof value === 'string') return size - value.length;
  if (typeof value !== 'object' || value === null) return size - 1;
  let left = size - 1;
  for (const [name, member] of Object.entries(value)) {
    left = sizeLeft(member, left - name.length);
    if (left < 0) break;
  }
  return left;
};

/** Serializes JSON data like `JSON.stringify`, but in steps, because that takes long if it is large. */
export function* jsonSteps(value: unknown): Steps<SharedText> {
  const pieces: Uint8Array[] = [];
  let text = '';
  for (const part of partsOfJson(value)) {
    text += part;
    if (text.length >= PART_BYTES) {
      pieces.push(Buffer.from(text));
      text = '';
    }
    yield;
  }
  return [...pieces, Buffer.from(text)];
}

function* partsOfJson(value: unknown): Generator<string, void> {
  if (typeof value !== 'object' || value === null || isSmall(value))
    yield JSON.stringify(value) ?? 'null';
  else if (Array.isArray(value)) yield* partsOfList(value);
  else yield* partsOfObject(value);
}

function* partsOfList(list: readonly unknown[]): Generator<string, void> {
  let separator = '[';
  for (const item of list) {
    yield separator;
    yield* partsOfJson(item);
    separator = ',';
  }
  yield separator === '[' ? '[]' : ']';
}

function* partsOfObject(object: object): Generator<string, void> {
  let separator = '{';
  for (const [name, member] of Object.entries(object)) {
    if (member === undefined) continue;
    yield `${separator}${JSON.stringify(name)}:`;
    yield* partsOfJson(member);
    separator = ',';
  }
  yield separator === '{' ? '{}' : '}';
}
