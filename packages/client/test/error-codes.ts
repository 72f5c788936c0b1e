/** Compiles only if the codes of the client and of the server are the same. */
import type { ErrorCode as ServerErrorCode } from '../../../server/src/errors.ts';
import type { ErrorCode } from '../src/index.ts';

export const all = (code: ServerErrorCode): ErrorCode => code;
export const noOther = (code: ErrorCode): ServerErrorCode => code;
