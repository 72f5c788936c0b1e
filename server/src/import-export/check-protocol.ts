import type { ErrorDetail, ExportedEnvironment } from '@pennon/schema';

import type { ErrorCode } from '../errors.ts';
import type { CheckedImport, CheckScope, Upload } from './check.ts';

/** The first message to the thread. */
export type CheckRequest = { readonly upload: Upload; readonly scope: CheckScope };

/**
 * A part of the checked document as JSON, small enough to be received without a noticeable pause. The flags and
 * segments take half as much memory as copies of objects, because a parser shares short texts.
 */
export type Piece = {
  readonly environment: number;
  readonly flags: string;
  readonly segments: string;
};

export type EnvironmentFields = Omit<ExportedEnvironment, 'flags' | 'segments'>;

/** The first message of the thread is `accepted` or `refused`. For each message after that, it sends one more. */
export type CheckMessage =
  | { readonly type: 'refused'; readonly code: ErrorCode; message: string; details: ErrorDetail[] }
  | {
      readonly type: 'accepted';
      readonly checked: Omit<CheckedImport, 'document'> & {
        readonly document: Omit<CheckedImport['document'], 'environments'>;
      };
      readonly environments: EnvironmentFields[];
    }
  | { readonly type: 'piece'; readonly piece: Piece }
  | { readonly type: 'end' };
