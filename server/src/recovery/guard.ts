import { pause, type Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { Copies, CopyRequest, Recovery } from '../store/store.ts';
import { copiesOf, installationOf, newerThan, type CopyHolder } from './copies.ts';

export type GuardOptions = CopyHolder & {
  readonly recovery: Recovery | undefined;
  readonly clock: Clock;
  readonly random: Random;
};

/** A store that has lost its data is marked within a second. */
const CHECK_MS = 400;
const SERVER_ID_LENGTH = 12;

/**
 * Marks the store once it has lost the data of this server, and sends the copies that a restore requests.
 * Returns how to stop.
 */
export const startGuard = (options: GuardOptions): (() => void) => {
  const { recovery, clock, random } = options;
  const closing = new AbortController();
  const server = random(SERVER_ID_LENGTH);
  let served: string | undefined;

  const check = async (to: Recovery) => {
    const copies = copiesOf(options);
    const installation = installationOf(copies) ?? '';
    const request = await to.guard(installation);
    if (request?.installation !== installation || request.id === served) return;
    await sendCopies(to, server, { request, copies });
    served = request.id;
  };

  const run = async (to: Recovery) => {
    while (!closing.signal.aborted) {
      // If the store is unavailable, the replicas report that.
      await check(to).catch(() => undefined);
      await pause(clock, CHECK_MS, closing.signal);
    }
  };
  if (recovery !== undefined) void run(recovery);
  return () => closing.abort();
};

/** Announces copies first, because sending them can take longer than a restore waits for servers without any. */
const sendCopies = async (
  recovery: Recovery,
  server: string,
  { request, copies: all }: { readonly request: CopyRequest; readonly copies: Copies },
): Promise<void> => {
  const copies = newerThan(request.heads, all);
  if (copies === undefined) return;
  await recovery.offerCopies({ server, copies: undefined });
  await recovery.offerCopies({ server, copies });
};
