import type { ErrorDetail, ExportedEnvironment, Flag, Segment } from '@pennon/schema';

import type { ErrorCode } from '../errors.ts';
import type { CheckedImport, Upload } from './check.ts';

/** The first message to the thread. */
export type CheckRequest = { readonly upload: Upload; readonly reach: string };

/** A part of the checked document, small enough to be received without a noticeable pause. */
export type Piece = {
  readonly environment: number;
  readonly flags: Flag[];
  readonly segments: Segment[];
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
