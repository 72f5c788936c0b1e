/** A JSON value in a variant of an object flag. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

/** A flag as the application declares it. Without `type` it is boolean, with variants `on` and `off`. */
export type FlagDefinition =
  | { readonly type?: 'boolean'; readonly variants?: Readonly<Record<string, boolean>> }
  | { readonly type: 'string'; readonly variants: Readonly<Record<string, string>> }
  | { readonly type: 'number'; readonly variants: Readonly<Record<string, number>> }
  | { readonly type: 'object'; readonly variants: Readonly<Record<string, JsonObject>> };

export type FlagDefinitions = Readonly<Record<string, FlagDefinition>>;

type FlagTypes = {
  readonly boolean: boolean;
  readonly string: string;
  readonly number: number;
  readonly object: JsonObject;
};
type FlagType = keyof FlagTypes;

type FlagTypeOf<Definition> = Definition extends { readonly type: infer Type extends FlagType }
  ? Type
  : 'boolean';

/** The keys of the flags of one type. */
export type FlagKey<Flags, Type extends FlagType = FlagType> = {
  [Key in keyof Flags & string]: FlagTypeOf<Flags[Key]> extends Type ? Key : never;
}[keyof Flags & string];

/** The names of a flag's variants. */
export type FlagVariant<Flags, Key extends keyof Flags> = Flags[Key] extends {
  readonly variants: infer Variants;
}
  ? keyof Variants & string
  : 'on' | 'off';

/** The values of a flag's variants. */
export type FlagValue<Flags, Key extends keyof Flags> = Flags[Key] extends {
  readonly variants: infer Variants;
}
  ? Variants[keyof Variants]
  : boolean;

/** The default of a call may be any value of the flag's type, and the call may return it. */
type ResolvedValue<Flags, Key extends keyof Flags, Default> = FlagValue<Flags, Key> | Default;

type TypedDetails<Flags, Key extends keyof Flags, Default, Details> = Omit<
  Details,
  'flagKey' | 'value' | 'variant'
> & {
  readonly flagKey: Key;
  readonly value: ResolvedValue<Flags, Key, Default>;
  readonly variant?: FlagVariant<Flags, Key>;
};

/** Derives from the name of an OpenFeature call its flag type and whether it returns details or a value. */
type CallSpec<Name> = Name extends `get${infer Type}Value` | `use${infer Type}FlagValue`
  ? { readonly type: ParseFlagType<Type>; readonly details: false }
  : Name extends `get${infer Type}Details` | `use${infer Type}FlagDetails`
    ? { readonly type: ParseFlagType<Type>; readonly details: true }
    : Name extends 'useFlag' | 'useSuspenseFlag'
      ? { readonly type: FlagType; readonly details: true }
      : { readonly type: never };

type ParseFlagType<Type extends string> =
  Type extends Capitalize<FlagType> ? Uncapitalize<Type> : never;

type TypedResult<Flags, Key extends keyof Flags, Default, Spec, Result> =
  Result extends Promise<infer Resolved>
    ? Promise<TypedResult<Flags, Key, Default, Spec, Resolved>>
    : Spec extends { readonly details: true }
      ? TypedDetails<Flags, Key, Default, Result>
      : ResolvedValue<Flags, Key, Default>;

type TypedCall<Flags, Spec extends { readonly type: FlagType }, Call> = Call extends (
  flagKey: never,
  defaultValue: never,
  ...rest: infer Rest
) => infer Result
  ? <
      Key extends FlagKey<Flags, Spec['type']>,
      const Default extends FlagTypes[FlagTypeOf<Flags[Key]>],
    >(
      flagKey: Key,
      defaultValue: Default,
      ...rest: Rest
    ) => TypedResult<Flags, Key, Default, Spec, Result>
  : Call;

/** The same calls, typed with the keys, variants and values of the flags. */
export type Typed<Flags, Calls> = {
  readonly [Name in keyof Calls]: [CallSpec<Name>['type']] extends [never]
    ? Calls[Name]
    : TypedCall<Flags, CallSpec<Name>, Calls[Name]>;
};

export type DefinedFlags<Flags extends FlagDefinitions> = {
  readonly definitions: Flags;
  /**
   * Returns the same object with types: an OpenFeature client for a server or a browser, or hooks for
   * React. A key that is misspelt or has another type does not compile.
   */
  readonly typed: <Calls extends object>(calls: Calls) => Typed<Flags, Calls>;
};

/**
 * Declares flags to the compiler. It does nothing at run time: the server or the provider evaluates the
 * flags, and a flag that it does not have gives the default of the call.
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
  // Only the type changes, not the object.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  typed: <Calls extends object>(calls: Calls) => calls as unknown as Typed<Flags, Calls>,
});

/** The fields of an API flag that `flagsModule` reads. */
export type FlagToWrite = {
  readonly key: string;
  readonly type: FlagType;
  readonly variants: Readonly<Record<string, unknown>>;
};

/**
 * Returns the source of a TypeScript module that defines these flags. The flags are sorted by key, so the
 * same flags always give the same text.
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
 * JSON is valid TypeScript, except that the name `__proto__` sets the prototype unless it is computed. A
 * quote inside a JSON string follows a backslash, so the pattern matches only names.
 */
const literal = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/(?<=[{,])"__proto__"(?=:)/g, '["__proto__"]');
