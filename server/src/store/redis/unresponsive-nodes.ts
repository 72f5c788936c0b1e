import { pause, type Clock } from '../../clock.ts';
import type { CommandResult } from './connections.ts';

/**
 * The cluster nodes that do not reply. The connection to the other nodes still works, so without this
 * every command for such a node would wait for its own timeout. Only the first one does; the others fail
 * at once until the node replies to a probe.
 */
export type UnresponsiveNodes = {
  readonly has: (node: string) => boolean;
  /** Adds a node, and probes it with this key until it replies. */
  readonly add: (node: string, key: string) => void;
};

const PROBE_PAUSE_MS = 250;

export const createUnresponsiveNodes = (
  clock: Clock,
  probe: (key: string) => Promise<CommandResult>,
  closed: AbortSignal,
): UnresponsiveNodes => {
  const nodes = new Set<string>();

  const probeUntilReply = async (node: string, key: string) => {
    while (!closed.aborted && (await probe(key)).type === 'noReply')
      await pause(clock, PROBE_PAUSE_MS, closed);
    nodes.delete(node);
  };

  return {
    has: node => nodes.has(node),
    add(node, key) {
      if (nodes.has(node)) return;
      nodes.add(node);
      void probeUntilReply(node, key);
    },
  };
};
