/** A JSON value, as an object flag's variants hold it. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

/** What the application knows of a flag. A flag without `type` is boolean, with variants `on` and `off`. */
export type FlagDefinition =
  | { readonly type?: 'boolean'; readonly variants?: Readonly<Record<string, boolean>> }
  | { readonly type: 'string'; readonly variants: Readonly<Record<string, string>> }
  | { readonly type: 'number'; readonly variants: Readonly<Record<string, number>> }
  | { readonly type: 'object'; readonly variants: Readonly<Record<string, JsonObject>> };

export type FlagDefinitions = Readonly<Record<string, FlagDefinition>>;

type Kinds = {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly object: JsonObject;
};
type Kind = keyof Kinds;

type KindOf<Definition> = Definition extends { readonly type: infer Named extends Kind }
  ? Named
  : 'boolean';

/** The keys of the flags of one type. */
export type FlagKey<Flags, Wanted extends Kind = Kind> = {
  [Key in keyof Flags & string]: KindOf<Flags[Key]> extends Wanted ? Key : never;
}[keyof Flags & string];

/** The names of a flag's variants. */
export type FlagVariant<Flags, Key extends keyof Flags> = Flags[Key] extends {
  readonly variants: infer Variants;
}
  ? keyof Variants & string
  : 'on' | 'off';

/** The values that a flag's variants serve. */
export type FlagValue<Flags, Key extends keyof Flags> = Flags[Key] extends {
  readonly variants: infer Variants;
}
  ? Variants[keyof Variants]
  : boolean;

/** The default in the call is any value of the flag's type, and one of the values that it may answer. */
type Answer<Flags, Key extends keyof Flags, Default> = FlagValue<Flags, Key> | Default;

type Details<Flags, Key extends keyof Flags, Default, Given> = Omit<
  Given,
  'flagKey' | 'value' | 'variant'
> & {
  readonly flagKey: Key;
  readonly value: Answer<Flags, Key, Default>;
  readonly variant?: FlagVariant<Flags, Key>;
};

/** What an OpenFeature call asks for, and whether it answers a value or details, by the call's name. */
type Call<Name> = Name extends `get${infer Type}Value` | `use${infer Type}FlagValue`
  ? { readonly kind: KindNamed<Type>; readonly details: false }
  : Name extends `get${infer Type}Details` | `use${infer Type}FlagDetails`
    ? { readonly kind: KindNamed<Type>; readonly details: true }
    : Name extends 'useFlag' | 'useSuspenseFlag'
      ? { readonly kind: Kind; readonly details: true }
      : { readonly kind: never };

type KindNamed<Type extends string> = Type extends Capitalize<Kind> ? Uncapitalize<Type> : never;

type Answers<Flags, Key extends keyof Flags, Default, Wanted, Given> =
  Given extends Promise<infer Later>
    ? Promise<Answers<Flags, Key, Default, Wanted, Later>>
    : Wanted extends { readonly details: true }
      ? Details<Flags, Key, Default, Given>
      : Answer<Flags, Key, Default>;

type TypedCall<Flags, Wanted extends { readonly kind: Kind }, Given> = Given extends (
  flagKey: never,
  defaultValue: never,
  ...rest: infer Rest
) => infer Given
  ? <Key extends FlagKey<Flags, Wanted['kind']>, const Default extends Kinds[KindOf<Flags[Key]>]>(
      flagKey: Key,
      defaultValue: Default,
      ...rest: Rest
    ) => Answers<Flags, Key, Default, Wanted, Given>
  : Given;

/** The same calls, which know the flags: their keys, variants and values. */
export type Typed<Flags, Calls> = {
  readonly [Name in keyof Calls]: [Call<Name>['kind']] extends [never]
    ? Calls[Name]
    : TypedCall<Flags, Call<Name>, Calls[Name]>;
};

export type DefinedFlags<Flags extends FlagDefinitions> = {
  readonly definitions: Flags;
  /**
   * The same object, typed: an OpenFeature client of a server or a page, or hooks for React. A key that
   * is misspelt, or is of another type, does not compile.
   */
  readonly typed: <Calls extends object>(calls: Calls) => Typed<Flags, Calls>;
};

/**
 * Makes flags known to the compiler. At run time it does nothing: flags are decided where they are kept,
 * and a flag that is missing there answers the default of the call.
 *
 * @example
 * const flags = defineFlags({
 *   'new-checkout': {},
 *   theme: { type: 'string', variants: { dark: '#111', light: '#eee' } },
 * });
 * const client = flags.typed(OpenFeature.getClient());
 * const theme = client.getStringValue('theme', '#eee'); // '#111' | '#eee'
 *
 * export const { useFlag } = flags.typed({ useFlag: reactSdk.useFlag });
 */
export const defineFlags = <const Flags extends FlagDefinitions>(
  definitions: Flags,
): DefinedFlags<Flags> => ({
  definitions,
  // The calls stay as they are: only what the compiler knows of them changes.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  typed: <Calls extends object>(calls: Calls) => calls as unknown as Typed<Flags, Calls>,
});

/** What a flag of the API is written from; what else it holds does not matter. */
export type FlagToWrite = {
  readonly key: string;
  readonly type: Kind;
  readonly variants: Readonly<Record<string, unknown>>;
};

/**
 * The text of a TypeScript module that defines these flags, in the order of their keys, so that the same
 * flags give the same text.
 *
 * @example
 * const { items } = await api.flags.list.query({ environment: 'production', limit: 200 });
 * await writeFile('src/flags.ts', flagsModule(items));
 */
export const flagsModule = (flags: readonly FlagToWrite[]): string => {
  const entries = flags
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, type, variants }) => `  ${literal(key)}: ${literal({ type, variants })},\n`);
  return `// Generated from the flags of an environment. Do not edit.
import { defineFlags } from '@pennon/client/flags';

export const flags = defineFlags({
${entries.join('')}});
`;
};

/**
 * JSON is TypeScript, but for the name `__proto__`, which sets a prototype unless it is computed. A quote
 * inside a JSON text follows a backslash, so what is replaced is always a name.
 */
const literal = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/(?<=[{,])"__proto__"(?=:)/g, '["__proto__"]');
