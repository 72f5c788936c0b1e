import type { Failed, FlagType, NotServed, Served, Value } from '@pennon/schema';

import { quote } from './format.ts';
import type { Problem } from './problems.ts';

export type Metadata = NonNullable<Served['metadata']>;

/** What all results of one flag have in common. */
export type FlagInfo = {
  readonly key: string;
  readonly type: FlagType;
  readonly values: ReadonlyMap<string, Value>;
  readonly seed: string;
  /** Empty if the flag has no metadata, so that it can be spread into a result. */
  readonly metadata: { readonly metadata?: Metadata };
};

/** Of a boolean flag, the result's field `enabled` is the value. A flag of another type is on if it is served. */
const isOn = (type: FlagType, value: Value): boolean => type !== 'boolean' || value === true;

/** A result with a variant. It is frozen, because all evaluations share it. */
export const served = (
  { key, type, values, metadata }: FlagInfo,
  reason: Served['reason'],
  variant: string,
  ruleId?: string,
): Served | undefined => {
  const value = values.get(variant);
  if (value === undefined) return undefined;
  return Object.freeze({
    flagKey: key,
    enabled: isOn(type, value),
    reason,
    variant,
    value,
    ...(ruleId === undefined ? {} : { ruleId }),
    ...metadata,
  });
};

/** A result without a variant: the caller's own default applies. */
export const notServed = ({ key, metadata }: FlagInfo, reason: NotServed['reason']): NotServed =>
  Object.freeze({ flagKey: key, enabled: false, reason, ...metadata });

const failed = (flagKey: string, errorCode: Failed['errorCode'], errorMessage: string): Failed =>
  Object.freeze({ flagKey, enabled: false, reason: 'ERROR', errorCode, errorMessage });

/** Callers without types may pass what is not text. */
const nameOf = (flagKey: unknown): string =>
  typeof flagKey === 'string' ? quote(flagKey) : `with a key of the type ${typeof flagKey}`;

export const notFound = (flagKey: string): Failed =>
  failed(flagKey, 'FLAG_NOT_FOUND', `there is no flag ${nameOf(flagKey)}`);

export const malformed = ({ flagKey, path, message }: Problem): Failed => {
  const location = path === '' ? '' : `${path}: `;
  return failed(
    flagKey,
    'PARSE_ERROR',
    `the flag ${quote(flagKey)} is malformed: ${location}${message}`,
  );
};

export const tooMuchWork = (flagKey: string): Failed =>
  failed(
    flagKey,
    'INVALID_CONTEXT',
    `the evaluation context is too large for the flag ${quote(flagKey)}: shorten the texts and lists that its conditions read`,
  );

export const targetingKeyMissing = (flagKey: string, bucketBy: string): Failed =>
  failed(
    flagKey,
    'TARGETING_KEY_MISSING',
    `the flag ${quote(flagKey)} needs the attribute ${quote(bucketBy)} of the evaluation context ` +
      'as a non-empty string, a number or a boolean',
  );
