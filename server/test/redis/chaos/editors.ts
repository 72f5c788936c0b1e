import { request } from '../servers.ts';
import type { Dice } from './dice.ts';
import type { ServerSlot } from './servers.ts';

/** One request of an editor and its outcome. */
export type Edit = {
  readonly environment: string;
  readonly key: string;
  /** Written to the flag's description, so that every write can be found. Undefined for a deletion. */
  readonly token: string | undefined;
  /** Undefined if there was no response in time. */
  readonly status: number | undefined;
  /** Whether the server was running during the whole request. */
  readonly undisturbed: boolean;
  readonly at: number;
};

export type Editors = {
  readonly edits: readonly Edit[];
  /** Waits until every editor has finished its request. */
  stop(): Promise<void>;
};

type EditorOptions = {
  readonly count: number;
  readonly slots: readonly ServerSlot[];
  readonly environments: readonly string[];
  /** Separate dice for each editor, because editors run concurrently. */
  readonly diceOf: (editor: number) => Dice;
  /** After this a request is given up. */
  readonly limitMs: number;
};

const FLAGS = 12;
const MAX_PAUSE_MS = 40;

/** Editors that change the same few flags on any server, without coordination. */
export const startEditors = (options: EditorOptions): Editors => {
  const { count, slots, environments, diceOf, limitMs } = options;
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
    const slot = dice.pick(slots);
    const { environment, key, method, token, looksFirst } = plan(dice);
    const { running: server, paused, pauses } = slot;
    const path = method === 'POST' ? '/api/v1/flags' : `/api/v1/flags/${key}`;
    const body = bodyOf(method, key, token);
    const url = `${path}?environment=${environment}`;
    const etag = method === 'PATCH' && looksFirst ? await etagOf(slot, url, limitMs) : undefined;
    const outgoing = request(slot.url, method, url, {
      ...(body === undefined ? {} : { body }),
      ...(etag === undefined ? {} : { headers: { 'if-match': etag } }),
      signal: AbortSignal.timeout(limitMs),
    });
    const status = await outgoing.then(
      response => response.status,
      () => undefined,
    );
    edits.push({
      environment,
      key,
      token,
      status,
      undisturbed:
        server !== undefined && !paused && slot.running === server && slot.pauses === pauses,
      at: Date.now(),
    });
  };

  const run = async (dice: Dice) => {
    while (!stopping.signal.aborted) {
      await edit(dice);
      await new Promise(resolve => setTimeout(resolve, dice.roll(MAX_PAUSE_MS)));
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

/** Returns the current ETag, so that the write is rejected if another one comes first. */
const etagOf = async (
  slot: ServerSlot,
  url: string,
  limitMs: number,
): Promise<string | undefined> => {
  const signal = AbortSignal.timeout(limitMs);
  const current = await request(slot.url, 'GET', url, { signal }).catch(() => undefined);
  return current?.headers.get('etag') ?? undefined;
};

const bodyOf = (method: string, key: string, token: string | undefined): object | undefined => {
  if (method === 'DELETE') return undefined;
  if (method === 'PATCH') return { description: token };
  return { key, enabled: true, description: token };
};
