import type { Attributes } from '@pennon/statistics/fold';

/** An event in the log. Its unit is a hash, and its time corrected for the clock of the sender. */
export type LoggedEvent =
  | {
      readonly type: 'exposure';
      readonly experiment: string;
      readonly run: string;
      readonly variant: string;
      readonly unit: string;
      readonly timeMs: number;
      /** The value itself, if the log keeps it. */
      readonly clear?: string;
    }
  | {
      readonly type: 'track';
      readonly name: string;
      readonly value?: number;
      readonly attributes?: Attributes;
      readonly attribute: string;
      readonly unit: string;
      readonly timeMs: number;
      readonly clear?: string;
    };

/** What one request has of one partition. The first partition also has what was not accepted. */
export type LogRecord = {
  readonly instance: string;
  readonly sequence: number;
  readonly sdk: string;
  /** Whether the sender hashed the units, so that the variants of its exposures were not checked. */
  readonly hashedUnits?: boolean;
  readonly events: readonly LoggedEvent[];
  readonly refused?: Refused;
  /** Units that the fold erases. */
  readonly erased?: readonly string[];
};

/** Counts of what was not accepted. */
export type Refused = {
  readonly rejected: Readonly<Record<string, number>>;
  /** By run. */
  readonly mismatched: Readonly<Record<string, number>>;
  readonly dropped: { readonly exposures: number; readonly tracks: number };
  readonly unknownEvents: readonly string[];
};

const isRecord = (value: unknown): value is LogRecord =>
  typeof value === 'object' && value !== null && 'instance' in value;

/** Reads a record of the log, which only this program writes. */
export const recordIn = (text: string): LogRecord => {
  const value: unknown = JSON.parse(text);
  if (isRecord(value)) return value;
  throw new Error('the log of events has an entry that is not a record');
};
