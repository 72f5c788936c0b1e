import type {
  Client,
  EvaluationDetails,
  FlagEvaluationOptions,
  JsonValue,
} from '@openfeature/web-sdk';

/** The values of flags by key: the type `Flags` of a file from `GET /api/v1/types.ts`. */
type FlagValues = Readonly<Record<string, JsonValue>>;

/** The keys of the flags with values of a type. */
export type FlagKey<Flags extends FlagValues, Value> = {
  [Key in keyof Flags & string]: Flags[Key] extends Value ? Key : never;
}[keyof Flags & string];

type Others = [options?: FlagEvaluationOptions];

type ValueOf<Flags extends FlagValues, Value> = <Key extends FlagKey<Flags, Value>>(
  flagKey: Key,
  defaultValue: Flags[Key],
  ...others: Others
) => Flags[Key];

type DetailsOf<Flags extends FlagValues, Value> = <Key extends FlagKey<Flags, Value>>(
  flagKey: Key,
  defaultValue: Flags[Key],
  ...others: Others
) => EvaluationDetails<Flags[Key]>;

type SimpleValueOf<Key, Value> = (flagKey: Key, defaultValue: Value, ...others: Others) => Value;

type SimpleDetailsOf<Key, Value extends JsonValue> = (
  flagKey: Key,
  defaultValue: Value,
  ...others: Others
) => EvaluationDetails<Value>;

type Evaluations<Flags extends FlagValues> = {
  getBooleanValue: SimpleValueOf<FlagKey<Flags, boolean>, boolean>;
  getBooleanDetails: SimpleDetailsOf<FlagKey<Flags, boolean>, boolean>;
  getNumberValue: SimpleValueOf<FlagKey<Flags, number>, number>;
  getNumberDetails: SimpleDetailsOf<FlagKey<Flags, number>, number>;
  getStringValue: ValueOf<Flags, string>;
  getStringDetails: DetailsOf<Flags, string>;
  getObjectValue: ValueOf<Flags, object>;
  getObjectDetails: DetailsOf<Flags, object>;
};

/**
 * A client of OpenFeature that accepts only certain flags, with their values. Every client is one, so it costs
 * nothing at run time.
 *
 * @example
 * import type { Flags } from './flags.ts'; // from GET /api/v1/types.ts
 * const client: FlagClient<Flags> = OpenFeature.getClient();
 */
export type FlagClient<Flags extends FlagValues> = Omit<Client, keyof Evaluations<Flags>> &
  Evaluations<Flags>;
