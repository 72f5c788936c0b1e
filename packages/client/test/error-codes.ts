/** One list on both sides: compiles only while the client's codes are exactly the server's. */
import type { ErrorCode as Returned } from '../../../server/src/errors.ts';
import type { ErrorCode } from '../src/index.ts';

export const all = (code: Returned): ErrorCode => code;
export const noOther = (code: ErrorCode): Returned => code;
