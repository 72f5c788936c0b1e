import { createFakeClock, type FakeClock } from '../support/fake-clock.ts';
import type { TestServer } from '../support/server.ts';

export const START_MS = Date.parse('2026-11-02T09:00:00Z');
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
const HOLD_MS = 15_000;

export const clockAt = (now: number): FakeClock => createFakeClock(now);

const post = async (server: TestServer, path: string, body: object): Promise<void> => {
  const { status, text } = await server.api('POST', path, { body });
  if (status >= 300) throw new Error(`${path}: ${text}`);
};

const splitOf = (id: string) => ({
  id,
  split: ['off', 'on'].map(variant => ({ variant, weight: 1 })),
});

const METRICS = [
  { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: HOUR_MS } },
  { key: 'revenue', kind: 'sum', event: 'bought', value: 'value', window: { toMs: HOUR_MS } },
  {
    key: 'failed',
    kind: 'conversion',
    event: 'failed',
    direction: 'decrease',
    window: { toMs: 10 * MINUTE_MS },
  },
];

const EXPERIMENT = {
  key: 'ab',
  flag: 'checkout',
  rule: 'test',
  control: 'off',
  metrics: [
    { metric: 'bought', role: 'primary', minimumEffect: 0.05 },
    { metric: 'revenue', role: 'secondary' },
    { metric: 'failed', role: 'guardrail', onHarm: 'warn' },
  ],
  plan: { end: '2026-12-02T09:00:00Z', units: 5_000 },
};

const RAMP = {
  key: 'release',
  flag: 'search',
  rule: 'release',
  control: 'off',
  treatment: 'on',
  minUnits: 10,
  steps: [
    { share: 25, holdMinutes: 60, approval: true },
    { share: 50, holdMinutes: 60 },
  ],
  guardrails: [{ metric: 'failed', tolerance: 0.5, onHarm: 'pause' }],
};

/** Starts an experiment, which begins again once, and a ramp. */
export const begin = async (server: TestServer): Promise<void> => {
  for (const metric of METRICS) await post(server, '/metrics', metric);
  await post(server, '/flags', { key: 'checkout', enabled: true, rules: [splitOf('test')] });
  await post(server, '/flags', {
    key: 'search',
    enabled: true,
    rules: [{ id: 'release', variant: 'on' }],
  });
  await post(server, '/experiments', EXPERIMENT);
  await post(server, '/experiments/ab/start', {});
  await post(server, '/ramps', RAMP);
  await post(server, '/ramps/release/start', {});
};

export const restart = async (server: TestServer): Promise<void> => {
  await post(server, '/experiments/ab/stop', {});
  await post(server, '/experiments/ab/restart', {});
};

/** What the server has for the flag of a unit. */
const evaluate = async (server: TestServer, flagKey: string, unit: string) => {
  const body = { flagKey, context: { targetingKey: unit } };
  const response = await server.api('POST', '/evaluate', { body });
  return response.body as { readonly variant: string; readonly ruleId?: string };
};

/** Returns the exposures and the events of a unit. What it does depends on its number. */
const eventsOf = async (server: TestServer, number: number, timeMs: number): Promise<object[]> => {
  const unit = `unit-${number}`;
  const units = { targetingKey: unit };
  const [test, release] = [
    await evaluate(server, 'checkout', unit),
    await evaluate(server, 'search', unit),
  ];
  const exposure = { type: 'exposure', unit, timeMs };
  const value = (number % 40) + 0.99;
  return [
    { ...exposure, experiment: 'ab', variant: test.variant },
    ...(release.ruleId === 'release'
      ? [{ ...exposure, experiment: 'release', variant: release.variant }]
      : []),
    ...(number % 3 === 0 ? [{ type: 'track', name: 'bought', timeMs, value, units }] : []),
    ...(number % 7 === 0 ? [{ type: 'track', name: 'failed', timeMs, units }] : []),
  ];
};

const UNITS_AT_ONCE = 50;

/** Sends what units with these numbers do now, and has it folded. */
export const sendUnits = async (
  server: TestServer,
  clock: FakeClock,
  { from, count }: { readonly from: number; readonly count: number },
): Promise<void> => {
  for (let first = from; first < from + count; first += UNITS_AT_ONCE) {
    const numbers = Array.from(
      { length: Math.min(UNITS_AT_ONCE, from + count - first) },
      (_, index) => first + index,
    );
    const timeMs = clock.now();
    const events = await Promise.all(numbers.map(number => eventsOf(server, number, timeMs)));
    const instance = `instance-${first}-${timeMs}`;
    const body = { instance, sequence: 1, sentAtMs: timeMs, events: events.flat() };
    await post(server, '/events', body);
  }
  await foldAll(server, clock);
};

/** Moves the clock until everything is folded. The thread of the events takes some turns for it. */
export const foldAll = async (server: TestServer, clock: FakeClock): Promise<void> => {
  clock.jump(HOLD_MS + 1_000);
  for (;;) {
    clock.jump(1_000);
    const { body } = await server.api('GET', '/experiments/ab/health');
    if (body.lagSeconds === 0) return;
  }
};

/** Returns everything that a later version must return, too. */
export const read = async (server: TestServer) => {
  const [results, health, status, exported] = [
    await server.api('GET', '/experiments/ab/results'),
    await server.api('GET', '/experiments/ab/health'),
    await server.api('GET', '/ramps/release/status'),
    await server.api('GET', '/events/export?limit=1000'),
  ];
  const events = exported.text.trim().split('\n').length - 1;
  return { results: results.body, health: health.body, status: status.body, events };
};
