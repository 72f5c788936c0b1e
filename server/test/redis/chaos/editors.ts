import { ask } from '../servers.ts';
import type { Dice } from './dice.ts';
import type { Place } from './servers.ts';

/** One request of an editor, and what became of it. */
export type Edit = {
  readonly environment: string;
  readonly key: string;
  /** Stands in the flag's description, so that every write can be found again; undefined for a deletion. */
  readonly token: string | undefined;
  /** Undefined where there was no answer, because the server was down. */
  readonly status: number | undefined;
  readonly ms: number;
  /** Whether the server was up and running from the question to the answer. */
  readonly undisturbed: boolean;
  readonly at: number;
};

export type Editors = {
  readonly edits: readonly Edit[];
  /** Lets every editor finish what it does. */
  stop(): Promise<void>;
};

type EditorParts = {
  readonly count: number;
  readonly places: readonly Place[];
  readonly environments: readonly string[];
  readonly dice: Dice;
};

const FLAGS = 12;
const LONGEST_THOUGHT_MS = 40;
const PATIENCE_MS = 30_000;

/** People and scripts that change the same few flags, each on any server, without a word to each other. */
export const startEditors = ({ count, places, environments, dice }: EditorParts): Editors => {
  const edits: Edit[] = [];
  const stopping = new AbortController();
  let tokens = 0;

  const plan = () => {
    const environment = dice.pick(environments);
    const key = `flag-${dice.roll(FLAGS)}`;
    const choice = dice.roll(20);
    if (choice === 0) return { environment, key, method: 'DELETE', token: undefined };
    tokens += 1;
    const token = `write-${tokens}`;
    return { environment, key, method: choice < 3 ? 'POST' : 'PATCH', token };
  };

  const edit = async () => {
    const place = dice.pick(places);
    const { environment, key, method, token } = plan();
    const server = place.running;
    const start = performance.now();
    const path = method === 'POST' ? '/api/v1/flags' : `/api/v1/flags/${key}`;
    const body = bodyOf(method, key, token);
    let paused = place.paused;
    const watch = setInterval(() => (paused ||= place.paused), 20);
    const asked = ask(place.url, method, `${path}?environment=${environment}`, {
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const status = await asked.then(
      answer => answer.status,
      () => undefined,
    );
    clearInterval(watch);
    edits.push({
      environment,
      key,
      token,
      status,
      ms: performance.now() - start,
      undisturbed: server !== undefined && place.running === server && !paused,
      at: Date.now(),
    });
  };

  const run = async () => {
    while (!stopping.signal.aborted) {
      await edit();
      await new Promise(resolve => setTimeout(resolve, dice.roll(LONGEST_THOUGHT_MS)));
    }
  };
  const running = Array.from({ length: count }, run);
  return {
    edits,
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
};

const bodyOf = (method: string, key: string, token: string | undefined): object | undefined => {
  if (method === 'DELETE') return undefined;
  if (method === 'PATCH') return { description: token };
  return { key, enabled: true, description: token };
};
