import { ask } from '../servers.ts';
import type { Place } from './servers.ts';

export type Evaluations = {
  /** Ends, and answers what should not have happened, and how many were answered. */
  stop(): Promise<{ readonly failures: readonly string[]; readonly answered: number }>;
};

const PAUSE_MS = 20;

/**
 * Evaluates all the time on whichever server is up. One that runs, undisturbed from the question to the
 * answer, answers well and within the bound, whatever becomes of Redis.
 */
export const startEvaluations = (places: readonly Place[], boundMs: number): Evaluations => {
  const failures: string[] = [];
  const stopping = new AbortController();
  let answered = 0;

  const evaluate = async (place: Place) => {
    const { running: server, pauses } = place;
    if (server === undefined || place.paused) return;
    const said = await ask(place.url, 'POST', '/api/v1/evaluations?environment=production', {
      body: { context: { targetingKey: 'ada' } },
      signal: AbortSignal.timeout(boundMs),
    }).then(
      ({ status, body }) => (status === 200 ? 'well' : `${status} ${JSON.stringify(body)}`),
      (error: unknown) => `no answer: ${String(error)}`,
    );
    const undisturbed = place.running === server && place.pauses === pauses;
    if (said === 'well') answered += 1;
    else if (undisturbed) failures.push(`${new Date().toISOString()} ${place.url} ${said}`);
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      for (const place of places) await evaluate(place);
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      return { failures, answered };
    },
  };
};
