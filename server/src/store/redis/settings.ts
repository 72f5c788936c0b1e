import type { Connections } from './connections.ts';
import { textOf } from './reply.ts';

/** Settings of Redis that will lose data one day, by what INFO says of them, and what to set instead. */
const DANGERS: readonly { readonly shows: RegExp; readonly warning: (found: string) => string }[] =
  [
    {
      shows: /^maxmemory_policy:(?!noeviction)(\S+)/m,
      warning: policy =>
        `Redis drops keys when its memory is full (maxmemory-policy ${policy}), flags among them: ` +
        'set maxmemory-policy to noeviction',
    },
    {
      shows: /^aof_enabled:(0)/m,
      warning: () =>
        'Redis keeps no append-only file: when it stops hard, it loses what it acknowledged since its last snapshot. ' +
        'Set appendonly to yes',
    },
  ];

/** Tells of each danger in the settings of Redis. One that does not show its settings is let be. */
export const warnOfSettings = async (
  { send }: Connections,
  onWarning: (message: string) => void,
): Promise<void> => {
  for (const section of ['memory', 'persistence']) {
    const answer = await send('info', [section]);
    if (answer.type !== 'reply') continue;
    const info = textOf(answer.reply);
    for (const { shows, warning } of DANGERS) {
      const [, found] = shows.exec(info) ?? [];
      if (found !== undefined) onWarning(warning(found));
    }
  }
};
