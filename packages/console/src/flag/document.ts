import type { ApiInputs, ApiOutputs } from '@pennon/client';

export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** A flag as the server returns it. */
export type FlagResponse = ApiOutputs['flags']['get'];
export type FlagInput = ApiInputs['evaluation']['preview']['flag'] & object;

type SentCondition = NonNullable<NonNullable<FlagInput['rules']>[number]['conditions']>[number];
export type Operator = Extract<SentCondition, { attribute: string }>['operator'];

export type AttributeCondition = {
  readonly attribute: string;
  readonly operator: Operator;
  readonly value?: Json | undefined;
  readonly not?: boolean | null | undefined;
};

/** A condition that is edited. Its value may not fit its operator yet. */
export type Condition =
  | AttributeCondition
  | { readonly segment: string; readonly not?: boolean | null | undefined }
  | {
      readonly flag: string;
      readonly variants: readonly string[];
      readonly not?: boolean | null | undefined;
    }
  | { readonly any: readonly Condition[]; readonly not?: boolean | null | undefined }
  | { readonly all: readonly Condition[]; readonly not?: boolean | null | undefined };

export type SplitEntry = { readonly variant: string; readonly weight: number };

export type Rule = {
  readonly id: string;
  readonly conditions: readonly Condition[];
  readonly variant?: string | null | undefined;
  readonly split?: readonly SplitEntry[] | null | undefined;
  readonly percentage?: number | null | undefined;
  readonly bucketBy?: string | null | undefined;
  readonly seed?: string | null | undefined;
};

/** A flag that is edited. It has all fields of the flag, and may not be valid yet. */
export type FlagDocument = Omit<FlagResponse, 'etag' | 'warnings' | 'variants' | 'rules'> & {
  readonly variants: Readonly<Record<string, Json>>;
  readonly rules: readonly Rule[];
};

/** Returns the fields that a write of the flag has. */
export const documentOf = (response: FlagResponse): FlagDocument => {
  const { etag: _, warnings: __, ...document } = response;
  return document;
};

/** The server, and only the server, checks whether a draft is valid. */
export const isFlagInput = (document: object): document is FlagInput =>
  'key' in document && 'enabled' in document;

/** Whether two values are the same as JSON. */
export const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Variants that a rule serves. */
export const variantsOf = ({ variant, split }: Rule): readonly string[] =>
  variant == null
    ? (split ?? []).filter(({ weight }) => weight > 0).map(entry => entry.variant)
    : [variant];

/** Whether all rules serve the default variant only, so that they change nothing. The server refuses such rules. */
export const hasNoEffect = ({ rules, defaultVariant }: FlagDocument): boolean =>
  rules.length > 0 &&
  rules.flatMap(variantsOf).every(variant => variant === defaultVariant) &&
  defaultVariant !== null;

const ID_BYTES = 6;

/** Returns the id of a new rule. */
export const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(ID_BYTES))]
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('');

const isJson = (value: unknown): value is Json => value !== undefined;

/** Returns the value of a JSON text, or undefined if it is not one. */
export const parseJson = (text: string): Json | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** The value of a new variant, by the type of its flag. */
export const EMPTY_VALUES: Readonly<Record<FlagDocument['type'], Json>> = {
  boolean: false,
  string: '',
  number: 0,
  object: {},
};
