import { pause, type Clock } from '../../clock.ts';
import type { Answer } from './connections.ts';

/**
 * The nodes of a cluster that do not answer. The connection to the others is well meanwhile, so without
 * this everybody who needs such a node would wait in vain, one after the other. One does; from then on
 * all hear at once that it is silent, until it answers a question of ours.
 */
export type UnresponsiveNodes = {
  readonly isSilent: (node: string) => boolean;
  /** Looks whether the node answers: this key is asked for until it does. */
  readonly add: (node: string, key: string) => void;
};

const PAUSE_MS = 250;

export const openUnresponsiveNodes = (
  clock: Clock,
  ask: (key: string) => Promise<Answer>,
  closing: AbortSignal,
): UnresponsiveNodes => {
  const silent = new Set<string>();

  const askUntilItAnswers = async (node: string, key: string) => {
    while (!closing.aborted && (await ask(key)).type === 'silence')
      await pause(clock, PAUSE_MS, closing);
    silent.delete(node);
  };

  return {
    isSilent: node => silent.has(node),
    add(node, key) {
      if (silent.has(node)) return;
      silent.add(node);
      void askUntilItAnswers(node, key);
    },
  };
};
