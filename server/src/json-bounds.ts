import { createDifferentTexts } from './different-texts.ts';

/** How much of something JSON text may have. */
export type JsonBounds = {
  /** JSON values, at all depths together. */
  readonly values: number;
  /** Names in one object, by its level; the last number is for all levels below. */
  readonly names: readonly [number, ...number[]];
  /** Different names in all objects together. A new name takes far longer to parse than one that is repeated. */
  readonly differentNames?: number;
  /** Different names and strings, likewise. */
  readonly differentTexts?: number;
  /** Levels of nesting. */
  readonly depth: number;
};

/** A bound that a text exceeds, and what it bounds. */
export type Excess = { readonly limit: number; readonly of: string };

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const OPENING: ReadonlySet<number | undefined> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number | undefined> = new Set([0x5d, 0x7d]);

/**
 * Returns the first bound that JSON text exceeds, without parsing it: the text of a few mebibytes can become
 * gigabytes of objects. Whether it is JSON at all is for the parser to decide.
 */
export const findExcess = (text: Uint8Array, bounds: JsonBounds): Excess | undefined => {
  const { differentNames = 0, differentTexts = 0, values: maxValues, depth } = bounds;
  const names = createDifferentTexts(differentNames);
  const texts = createDifferentTexts(differentTexts);
  /** The number of names in each object or list that is open. */
  const open: number[] = [0];
  let values = 1;
  let stringStart = 0;
  let stringEnd = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) {
      stringStart = at + 1;
      at = endOfString(text, at);
      stringEnd = at;
      if (texts.add(text, stringStart, stringEnd) > differentTexts)
        return { limit: differentTexts, of: 'different names and texts' };
    } else if (byte === COMMA) values += 1;
    else if (byte === COLON) {
      const limit = namesAt(bounds, open.length - 1);
      if (countName(open) > limit) return { limit, of: 'names in one object' };
      if (names.add(text, stringStart, stringEnd) > differentNames)
        return { limit: differentNames, of: 'different names' };
    } else if (OPENING.has(byte)) {
      values += 1;
      open.push(0);
      if (open.length > depth) return { limit: depth, of: 'levels of nesting' };
    } else if (CLOSING.has(byte)) open.pop();
    if (values > maxValues) return { limit: maxValues, of: 'JSON values' };
  }
  return undefined;
};

const namesAt = ({ names }: JsonBounds, level: number): number =>
  names[Math.max(level, 1) - 1] ?? names.at(-1) ?? 0;

/** Counts a name of the innermost object. */
const countName = (open: number[]): number => {
  const count = (open.pop() ?? 0) + 1;
  open.push(count);
  return count;
};

/** Returns the position of the quote that ends the string which starts at `start`. */
const endOfString = (text: Uint8Array, start: number): number => {
  let at = start + 1;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
};
