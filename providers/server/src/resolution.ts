import { ErrorCode } from '@openfeature/server-sdk';
import type { FlagMetadata, JsonValue, ResolutionDetails } from '@openfeature/server-sdk';

import type { Answer } from './answer.ts';
import type { FlagFacts } from './view.ts';

/** What a caller asks for: the SDK does not look at types, so that we must. */
export type Wanted<T> = { readonly name: string; readonly is: (value: unknown) => value is T };

export const BOOLEAN: Wanted<boolean> = {
  name: 'boolean',
  is: value => typeof value === 'boolean',
};
export const STRING: Wanted<string> = { name: 'string', is: value => typeof value === 'string' };
export const NUMBER: Wanted<number> = { name: 'number', is: value => typeof value === 'number' };

/** The caller says which object it expects, and nobody can check that. */
export const objectOf = <T extends JsonValue>(): Wanted<T> => ({
  name: 'object',
  is: (value): value is T => typeof value === 'object' && value !== null,
});

const metadataOf = (answer: Answer, facts: FlagFacts): FlagMetadata =>
  'metadata' in answer ? { ...answer.metadata, ...facts } : { ...facts };

/** An answer in OpenFeature's terms. */
export const resolutionOf = <T>(
  answer: Answer,
  wanted: Wanted<T>,
  defaultValue: T,
  facts: FlagFacts,
): ResolutionDetails<T> => {
  const flagMetadata = metadataOf(answer, facts);
  if (answer.reason === 'ERROR') {
    const { reason, errorCode, errorMessage } = answer;
    return {
      value: defaultValue,
      reason,
      errorCode: ErrorCode[errorCode],
      errorMessage,
      flagMetadata,
    };
  }
  if (!('variant' in answer)) return { value: defaultValue, reason: answer.reason, flagMetadata };
  const { value, variant, reason } = answer;
  if (wanted.is(value)) return { value, variant, reason, flagMetadata };
  return {
    value: defaultValue,
    reason: 'ERROR',
    errorCode: ErrorCode.TYPE_MISMATCH,
    errorMessage: `flag "${answer.flagKey}" is no ${wanted.name} flag: its variant "${variant}" is of the type ${typeof value}`,
    flagMetadata,
  };
};
