import { errorMessage } from '../error-message.ts';
import { PennonError } from '../errors.ts';
import { StoreError, type StoreErrorCode } from '../store/store.ts';

/** An error as it is sent to another thread, which makes one of the same class of it. */
export type SentError =
  | {
      readonly type: 'pennon';
      readonly code: PennonError['code'];
      readonly message: string;
      readonly extra: PennonError['extra'];
      readonly cause: string | undefined;
    }
  | {
      readonly type: 'store';
      readonly code: StoreErrorCode;
      readonly message: string;
      readonly clientMessage: string | undefined;
    }
  | { readonly type: 'other'; readonly error: unknown };

export const toSentError = (error: unknown): SentError => {
  if (error instanceof PennonError) {
    const { code, message, extra, cause } = error;
    const text = cause === undefined ? undefined : errorMessage(cause);
    return { type: 'pennon', code, message, extra, cause: text };
  }
  if (error instanceof StoreError) {
    const { code, message, clientMessage } = error;
    return { type: 'store', code, message, clientMessage };
  }
  return { type: 'other', error };
};

const isSentError = (value: unknown): value is SentError =>
  typeof value === 'object' && value !== null && 'type' in value;

export const fromSentError = (sent: unknown): unknown => {
  if (!isSentError(sent)) return sent;
  if (sent.type === 'store') {
    const { code, message, clientMessage } = sent;
    return new StoreError(code, message, clientMessage === undefined ? {} : { clientMessage });
  }
  if (sent.type === 'other') return sent.error;
  const { code, message, extra, cause } = sent;
  const options = cause === undefined ? {} : { cause: new Error(cause) };
  return new PennonError(code, message, extra, options);
};
