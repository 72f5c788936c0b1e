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
  /** Chance of its own for each editor: they do not take turns. */
  readonly diceOf: (editor: number) => Dice;
};

const FLAGS = 12;
const LONGEST_THOUGHT_MS = 40;
const PATIENCE_MS = 30_000;

/** People and scripts that change the same few flags, each on any server, without a word to each other. */
export const startEditors = ({ count, places, environments, diceOf }: EditorParts): Editors => {
  const edits: Edit[] = [];
  const stopping = new AbortController();
  let tokens = 0;

  const plan = (dice: Dice) => {
    const environment = dice.pick(environments);
    const key = `flag-${dice.roll(FLAGS)}`;
    const choice = dice.roll(20);
    if (choice === 0) return { environment, key, method: 'DELETE', token: undefined };
    tokens += 1;
    const method = choice < 3 ? 'POST' : 'PATCH';
    return { environment, key, method, token: `write-${tokens}`, looksFirst: choice < 10 };
  };

  const edit = async (dice: Dice) => {
    const place = dice.pick(places);
    const { environment, key, method, token, looksFirst } = plan(dice);
    const { running: server, paused, pauses } = place;
    const path = method === 'POST' ? '/api/v1/flags' : `/api/v1/flags/${key}`;
    const body = bodyOf(method, key, token);
    const url = `${path}?environment=${environment}`;
    const etag = method === 'PATCH' && looksFirst ? await etagOf(place, url) : undefined;
    const start = performance.now();
    const asked = ask(place.url, method, url, {
      ...(body === undefined ? {} : { body }),
      ...(etag === undefined ? {} : { headers: { 'if-match': etag } }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const status = await asked.then(
      answer => answer.status,
      () => undefined,
    );
    edits.push({
      environment,
      key,
      token,
      status,
      ms: performance.now() - start,
      undisturbed:
        server !== undefined && !paused && place.running === server && place.pauses === pauses,
      at: Date.now(),
    });
  };

  const run = async (dice: Dice) => {
    while (!stopping.signal.aborted) {
      await edit(dice);
      await new Promise(resolve => setTimeout(resolve, dice.roll(LONGEST_THOUGHT_MS)));
    }
  };
  const running = Array.from({ length: count }, (_, editor) => run(diceOf(editor)));
  return {
    edits,
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
};

/** What stands there now, so that the write is refused if another comes between. */
const etagOf = async (place: Place, url: string): Promise<string | undefined> => {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const seen = await ask(place.url, 'GET', url, { signal }).catch(() => undefined);
  return seen?.headers.get('etag') ?? undefined;
};

const bodyOf = (method: string, key: string, token: string | undefined): object | undefined => {
  if (method === 'DELETE') return undefined;
  if (method === 'PATCH') return { description: token };
  return { key, enabled: true, description: token };
};
