import { isJsonObject } from '@pennon/sync';
import type { JsonObject } from '@pennon/sync';

/** The part of `localStorage` that the provider uses. */
export type ValueStorage = {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
};

/** Returns what a slot has, or undefined. The storage may be blocked or hold anything else. */
export const readJson = (storage: ValueStorage | undefined, slot: string): unknown => {
  try {
    return JSON.parse(storage?.getItem(slot) ?? 'null');
  } catch {
    return undefined;
  }
};

/** Returns a list, or an empty one for anything else. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Returns an object, or an empty one for anything else. */
export const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** Writes a value, or nothing if it is undefined. Returns false if the storage is full or blocked. */
export const writeJson = (
  storage: ValueStorage | undefined,
  slot: string,
  value: unknown,
): boolean => {
  try {
    if (value === undefined) storage?.removeItem(slot);
    else storage?.setItem(slot, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};

/**
 * Returns a storage of the browser, or undefined when there is none or the browser blocks it. Outside of a page it is
 * not even looked at: Node.js 26 prints a warning then.
 */
export const browserStorage = (
  name: 'localStorage' | 'sessionStorage',
): ValueStorage | undefined => {
  try {
    return typeof document === 'undefined' ? undefined : globalThis[name];
  } catch {
    return undefined;
  }
};
