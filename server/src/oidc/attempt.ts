import { z } from 'zod';

import { ageOf, type Clock } from '../clock.ts';
import type { Replica } from '../replication/replica.ts';
import { seal, unseal } from './seal.ts';

/**
 * A sign-in that has begun at the provider and is not finished yet. The browser keeps it, sealed, so any server can
 * finish it, and only for the browser that began it.
 */
const Attempt = z.object({
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  /** The page of this server that opens afterwards. */
  to: z.string(),
  /** Milliseconds since 1970. */
  begunAt: z.number(),
});
export type Attempt = z.infer<typeof Attempt>;

/** How long a person has to sign in at the provider. */
export const ATTEMPT_SECONDS = 600;

type Deps = { readonly control: Replica<'control'>; readonly clock: Clock };

/** Returns a sealed attempt, for a cookie. */
export const sealAttempt = (
  { control, clock }: Deps,
  attempt: Omit<Attempt, 'begunAt'>,
): Promise<string> =>
  seal(control, JSON.stringify({ ...attempt, begunAt: clock.now() } satisfies Attempt));

/** Returns the attempt, or undefined if it has expired or no server of this store has sealed it. */
export const openAttempt = async (
  { control, clock }: Deps,
  sealed: string,
): Promise<Attempt | undefined> => {
  const text = await unseal(control, sealed);
  if (text === undefined) return undefined;
  const attempt = Attempt.parse(JSON.parse(text));
  return ageOf(clock, attempt.begunAt) < ATTEMPT_SECONDS * 1_000 ? attempt : undefined;
};
