import { newId, parseJson, type Json } from './document.ts';
import { VALUE_TYPES } from './operators.ts';

/** The attributes of the subject that a flag is evaluated for. */
export type Context = { readonly [name: string]: Json };

/** How the value of an attribute is written. */
export const ATTRIBUTE_TYPES = [...VALUE_TYPES, 'json'] as const;
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number];

/** An attribute of a context that is edited. Its text may not be a value of its type yet. */
export type Attribute = {
  readonly name: string;
  readonly type: AttributeType;
  readonly text: string;
};

/** Returns the value that was written, or undefined if it is not of the type. */
export const valueOf = ({ type, text }: Attribute): Json | undefined => {
  if (type === 'text') return text;
  const value = parseJson(text);
  return type === 'json' || typeof value === type ? value : undefined;
};

const typeOf = (value: Json): AttributeType => {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  return typeof value === 'boolean' ? 'boolean' : 'json';
};

/** Returns a context as attributes that can be edited. */
export const attributesOf = (context: Context): readonly Attribute[] =>
  Object.entries(context).map(([name, value]) => ({
    name,
    type: typeOf(value),
    text: typeof value === 'string' ? value : JSON.stringify(value),
  }));

/** Returns the context, or undefined while a value is not of its type. Attributes without a name are left out. */
export const contextOf = (attributes: readonly Attribute[]): Context | undefined => {
  const entries: (readonly [string, Json])[] = [];
  for (const attribute of attributes.filter(({ name }) => name !== '')) {
    const value = valueOf(attribute);
    if (value === undefined) return undefined;
    entries.push([attribute.name, value]);
  }
  return Object.fromEntries(entries);
};

const isContext = (value: Json | undefined): value is Context =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the context that a text is as JSON, or undefined if it is not an object. */
export const parseContext = (text: string): Context | undefined => {
  const value = parseJson(text);
  return isContext(value) ? value : undefined;
};

const MAX_KEY_LENGTH = 100;

/** Returns the key under which a context of this name is saved. */
export const keyOf = (name: string): string => {
  const key = name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_KEY_LENGTH)
    .replaceAll(/^-+|-+$/g, '');
  return key === '' ? `context-${newId()}` : key;
};

const STORAGE_KEY = 'pennon-context';
const FIRST_CONTEXT: Context = { targetingKey: 'user-1' };

/** Returns the context that was tried last in this tab of the browser, with any flag. */
export const readContext = (storage: Pick<Storage, 'getItem'>): Context =>
  parseContext(storage.getItem(STORAGE_KEY) ?? '') ?? FIRST_CONTEXT;

/** A browser may have no room for it. */
export const storeContext = (storage: Pick<Storage, 'setItem'>, context: Context): void => {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify(context));
  } catch {
    // The context is still in the page.
  }
};
