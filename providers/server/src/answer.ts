import type { Evaluation } from '@pennon/schema';

/** No flags are here to decide with, or nobody could be asked. The caller's default applies. */
export type Unavailable = {
  readonly flagKey: string;
  readonly enabled: false;
  readonly reason: 'ERROR';
  readonly errorCode: 'PROVIDER_NOT_READY' | 'INVALID_CONTEXT' | 'GENERAL';
  readonly errorMessage: string;
};

/** What a flag answers: decided by the engine, or why it could not be. */
export type Answer = Evaluation | Unavailable;

export const unavailable = (
  flagKey: string,
  errorCode: Unavailable['errorCode'],
  errorMessage: string,
): Unavailable => ({ flagKey, enabled: false, reason: 'ERROR', errorCode, errorMessage });
