import type { Connections } from './connections.ts';
import { asText } from './reply.ts';

/** Settings of Redis that can lose data, recognized in the output of INFO, and what to set instead. */
const RISKS: readonly {
  readonly pattern: RegExp;
  readonly warning: (setting: string) => string;
}[] = [
  {
    pattern: /^maxmemory_policy:(?!noeviction)(\S+)/m,
    warning: policy =>
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}), flags among them: ` +
      'set maxmemory-policy to noeviction',
  },
  {
    pattern: /^aof_enabled:(0)/m,
    warning: () =>
      'Redis has no append-only file: after a crash it loses the writes since its last snapshot. ' +
      'Set appendonly to yes',
  },
];

/** Reports settings of Redis that can lose data. Does nothing when Redis does not show its settings. */
export const warnAboutConfig = async (
  { send }: Connections,
  onWarning: (message: string) => void,
): Promise<void> => {
  for (const section of ['memory', 'persistence']) {
    const result = await send('info', [section]);
    if (result.type !== 'reply') continue;
    const info = asText(result.reply);
    for (const { pattern, warning } of RISKS) {
      const [, setting] = pattern.exec(info) ?? [];
      if (setting !== undefined) onWarning(warning(setting));
    }
  }
};
