import { request } from '../servers.ts';
import type { ServerSlot } from './servers.ts';

export type Evaluations = {
  /** The number of successful evaluations so far. */
  succeeded(): number;
  /** Stops. Returns the unexpected failures and the number of successful evaluations. */
  stop(): Promise<{ readonly failures: readonly string[]; readonly succeeded: number }>;
};

const PAUSE_MS = 20;

/**
 * Evaluates continuously on every server that is up. A server that runs during the whole request must
 * evaluate successfully and within the limit, regardless of the state of Redis.
 */
export const startEvaluations = (slots: readonly ServerSlot[], limitMs: number): Evaluations => {
  const failures: string[] = [];
  const stopping = new AbortController();
  let succeeded = 0;

  const evaluate = async (slot: ServerSlot) => {
    const { running: server, pauses } = slot;
    if (server === undefined || slot.paused) return;
    const outcome = await request(slot.url, 'POST', '/api/v1/evaluations?environment=production', {
      body: { context: { targetingKey: 'ada' } },
      signal: AbortSignal.timeout(limitMs),
    }).then(
      ({ status, body }) => (status === 200 ? 'ok' : `${status} ${JSON.stringify(body)}`),
      (error: unknown) => `no response: ${String(error)}`,
    );
    const undisturbed = slot.running === server && slot.pauses === pauses;
    if (outcome === 'ok') succeeded += 1;
    else if (undisturbed) failures.push(`${new Date().toISOString()} ${slot.url} ${outcome}`);
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      for (const slot of slots) await evaluate(slot);
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
  };
  const running = run();
  return {
    succeeded: () => succeeded,
    async stop() {
      stopping.abort();
      await running;
      return { failures, succeeded };
    },
  };
};
