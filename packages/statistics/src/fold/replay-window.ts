/** Sequence numbers that an instance of a provider has sent: the highest, and those below it. */
export type ReplayWindow = {
  readonly highest: number;
  /** Bit `n` is set if `highest - n` was received. */
  readonly received: bigint;
};

/** A number further below is taken for a repetition. */
const SIZE = 64;

const MASK = (1n << BigInt(SIZE + 1)) - 1n;

/** Returns the window with one more number, or undefined if the number was received before. */
export const receive = (
  window: ReplayWindow | undefined,
  sequence: number,
): ReplayWindow | undefined => {
  if (window === undefined) return { highest: sequence, received: 1n };
  const { highest, received } = window;
  const ahead = sequence - highest;
  if (ahead > SIZE) return { highest: sequence, received: 1n };
  if (ahead > 0) return { highest: sequence, received: ((received << BigInt(ahead)) | 1n) & MASK };
  if (ahead < -SIZE) return undefined;
  const bit = 1n << BigInt(-ahead);
  return (received & bit) === 0n ? { highest, received: received | bit } : undefined;
};
