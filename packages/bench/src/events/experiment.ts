import { z } from 'zod';

import { KEY, startMeasured, type MeasuredServer, type Settings } from '../hold/server.ts';

const BATCH_EVENTS = 20;
const METRICS = ['bought', 'viewed', 'failed'] as const;
const KEY_OF_EXPERIMENT = 'checkout-2';
const FLAG = 'new-checkout';

/** A server with one experiment of three metrics. */
export type EventServer = MeasuredServer & {
  readonly post: (path: string, body: string) => Promise<string>;
  /** Whether everything that was sent is folded. */
  readonly isFolded: () => Promise<boolean>;
};

const Lag = z.object({ lagSeconds: z.number() });

export const startExperiment = async (settings: Settings): Promise<EventServer> => {
  const server = await startMeasured({ PENNON_RATE_LIMIT: '0', ...settings });
  const send = async (method: string, path: string, body?: string): Promise<string> => {
    const response = await fetch(`${server.url}/api/v1${path}?environment=production`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return text;
  };
  const post = (path: string, body: string) => send('POST', path, body);
  const window = { toMs: 7 * 86_400_000 };
  for (const key of METRICS)
    await post(
      '/metrics',
      JSON.stringify({ key, kind: 'count', event: key, window, covariate: false }),
    );
  const split = ['off', 'on'].map(variant => ({ variant, weight: 1 }));
  const rules = [{ id: 'test', split }];
  await post('/flags', JSON.stringify({ key: FLAG, enabled: true, rules }));
  await post(
    '/experiments',
    JSON.stringify({
      key: KEY_OF_EXPERIMENT,
      flag: FLAG,
      rule: 'test',
      control: 'off',
      metrics: METRICS.map(metric => ({ metric, role: 'primary' })),
    }),
  );
  await post(`/experiments/${KEY_OF_EXPERIMENT}/start`, '{}');
  return {
    ...server,
    post,
    async isFolded() {
      const moments: unknown = JSON.parse(
        await send('GET', `/experiments/${KEY_OF_EXPERIMENT}/moments`),
      );
      return Lag.parse(moments).lagSeconds === 0;
    },
  };
};

/** Returns the body of a batch: exposures of new units, or what these units did. */
export const batchOf = (index: number, kind: 'exposure' | 'track'): string => {
  const timeMs = Date.now();
  const events = Array.from({ length: BATCH_EVENTS }, (_, at) => {
    const number = index * BATCH_EVENTS + at;
    // As providers send it with `hashUnits`.
    const unit = number.toString(16).padStart(64, '0');
    return kind === 'exposure'
      ? {
          type: kind,
          experiment: KEY_OF_EXPERIMENT,
          variant: number % 2 === 0 ? 'off' : 'on',
          unit,
          timeMs,
        }
      : { type: kind, name: METRICS[at % METRICS.length], timeMs, units: { targetingKey: unit } };
  });
  const instance = `${kind}-${index % INSTANCES}`.padEnd(22, '0');
  const sequence = Math.floor(index / INSTANCES) + 1;
  return JSON.stringify({ instance, sequence, sentAtMs: timeMs, hashedUnits: true, events });
};

const INSTANCES = 100;

export const EVENTS_OF_BATCH = BATCH_EVENTS;
export const EVALUATION = JSON.stringify({ flagKey: FLAG, context: { targetingKey: 'ada' } });
