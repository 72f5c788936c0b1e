/** Fastify with flagd's engine, and no keys, limits or metrics. */
import { FlagdCore } from '@openfeature/flagd-core';
import Fastify from 'fastify';

import { FLAG_KEYS, PLANS, type EvaluationBody } from '../workloads.ts';
import { listen } from './support.ts';

const flag = {
  state: 'ENABLED',
  variants: { on: true, off: false },
  defaultVariant: 'off',
  targeting: {
    if: [
      { in: [{ var: 'plan' }, PLANS] },
      {
        fractional: [
          ['on', 50],
          ['off', 50],
        ],
      },
      'off',
    ],
  },
};
const core = new FlagdCore();
core.setConfigurations(
  JSON.stringify({ flags: Object.fromEntries(FLAG_KEYS.map(key => [key, flag])) }),
);

const app = Fastify({ logger: false });
app.post<{ Body: Required<EvaluationBody> }>('/api/v1/evaluate', async ({ body }) => {
  const { flagKey, context } = body;
  return { flagKey, ...core.resolveBooleanEvaluation(flagKey, false, context) };
});
app.post<{ Body: EvaluationBody }>('/api/v1/evaluations', async ({ body }) => ({
  evaluations: core.resolveAll(body.context),
}));
app.post<{ Body: EvaluationBody; Params: { key: string } }>(
  '/ofrep/v1/evaluate/flags/:key',
  async ({ body, params: { key } }) => ({
    key,
    ...core.resolveBooleanEvaluation(key, false, body.context),
  }),
);
app.post<{ Body: EvaluationBody }>('/ofrep/v1/evaluate/flags', async ({ body }) => ({
  flags: core.resolveAll(body.context),
}));
await app.listen({ port: 0, host: '127.0.0.1' });
listen(app.server.address());
