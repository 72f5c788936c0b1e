import { GrowthBookClient } from '@growthbook/growthbook';
import { FlagdCore } from '@openfeature/flagd-core';
import { compile, draw, drawSeed, evaluate } from '@pennon/engine';
import { PennonProvider } from '@pennon/server-provider';

import type { Table } from '../table.ts';
import { collections, compare } from './measure.ts';
import { COUNTRIES } from './scenarios.ts';

/** Three typical flags, evaluated in turn, so no engine can specialize in one of them. */
const KEYS = ['constant', 'rollout', 'split'] as const;

const VERSION = '2.4.0';
const PLATFORMS = ['ios', 'android'];
const ALLOWED = COUNTRIES.slice(0, 20);
const WEIGHTS = { a: 40, b: 30, c: 20, d: 10 } as const;

const FLAG_SET = {
  formatVersion: 1,
  flags: {
    constant: {
      key: 'constant',
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      defaultVariant: 'on',
    },
    rollout: {
      key: 'rollout',
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      defaultVariant: 'off',
      rules: [
        {
          id: 'half',
          conditions: [
            { attribute: 'plan', operator: 'equals', value: 'pro' },
            { attribute: 'age', operator: 'greaterOrEqual', value: 18 },
            { attribute: 'platform', operator: 'in', value: PLATFORMS },
          ],
          variant: 'on',
          percentage: 50,
        },
      ],
    },
    split: {
      key: 'split',
      type: 'string',
      enabled: true,
      variants: { a: 'a', b: 'b', c: 'c', d: 'd' },
      defaultVariant: 'a',
      rules: [
        {
          id: 'versions',
          conditions: [
            { attribute: 'country', operator: 'in', value: ALLOWED },
            { attribute: 'version', operator: 'semverGreaterOrEqual', value: VERSION },
          ],
          split: Object.entries(WEIGHTS).map(([variant, weight]) => ({ variant, weight })),
        },
      ],
    },
  },
};

type Context = {
  readonly targetingKey: string;
  readonly plan: string;
  readonly age: number;
  readonly platform: string;
  readonly country: string;
  readonly version: string;
};

const makeContexts = (count: number): Context[] =>
  Array.from({ length: count }, (_, at) => ({
    targetingKey: `user-${at}-${(at * 2_654_435_761).toString(36)}`,
    plan: at % 4 === 0 ? 'free' : 'pro',
    age: 10 + (at % 50),
    platform: ['ios', 'android', 'web'][at % 3] ?? 'web',
    country: COUNTRIES[at % COUNTRIES.length] ?? 'US',
    version: `${1 + (at % 3)}.${at % 9}.${at % 7}`,
  }));

/** Returns the value of a flag. */
type Evaluate = (flagKey: string, context: Context) => unknown;

/** Packs a version of small numbers into one number, without any object: 2.4.0 becomes 2004000. */
const packed = (version: string): number => {
  let total = 0;
  let number = 0;
  for (let at = 0; at < version.length; at += 1) {
    const code = version.charCodeAt(at);
    if (code === 46) {
      total = (total + number) * 1_000;
      number = 0;
    } else number = number * 10 + code - 48;
  }
  return total + number;
};

/** The flags as a programmer would write them by hand, with the same hash. */
const closures = (): Evaluate => {
  const platforms = new Set(PLATFORMS);
  const allowed = new Set(ALLOWED);
  const required = packed(VERSION);
  const rolloutSeed = drawSeed('rollout', 1);
  const splitSeed = drawSeed('split', 0);
  const flags = new Map<string, (context: Context) => unknown>([
    ['constant', () => true],
    [
      'rollout',
      ({ targetingKey, plan, age, platform }) =>
        plan === 'pro' &&
        age >= 18 &&
        platforms.has(platform) &&
        draw(targetingKey, rolloutSeed) < 50_000,
    ],
    [
      'split',
      ({ targetingKey, country, version }) => {
        if (!allowed.has(country) || packed(version) < required) return 'a';
        const drawn = draw(targetingKey, splitSeed);
        return drawn < 40_000 ? 'a' : drawn < 70_000 ? 'b' : drawn < 90_000 ? 'c' : 'd';
      },
    ],
  ]);
  return (flagKey, context) => flags.get(flagKey)?.(context);
};

const valueOf = ({ value }: { readonly flagKey: string; readonly value?: unknown }): unknown =>
  value;

const engine = (): Evaluate => {
  const compiled = compile(FLAG_SET);
  return (flagKey, context) => {
    return valueOf(evaluate(compiled, flagKey, context));
  };
};

const provider = async (): Promise<Evaluate> => {
  const started = new PennonProvider({ flags: FLAG_SET.flags });
  await started.initialize();
  return (flagKey, context) => {
    return valueOf(started.evaluate(flagKey, context));
  };
};

const BOOLEAN = { state: 'ENABLED', variants: { on: true, off: false } };

const flagd = (): Evaluate => {
  const core = new FlagdCore();
  const fractional = Object.entries(WEIGHTS).map(([variant, weight]) => [variant, weight]);
  const isAdmitted = {
    and: [
      { '==': [{ var: 'plan' }, 'pro'] },
      { '>=': [{ var: 'age' }, 18] },
      { in: [{ var: 'platform' }, PLATFORMS] },
    ],
  };
  const half = {
    fractional: [
      ['on', 50],
      ['off', 50],
    ],
  };
  const isRecent = {
    and: [{ in: [{ var: 'country' }, ALLOWED] }, { sem_ver: [{ var: 'version' }, '>=', VERSION] }],
  };
  core.setConfigurations(
    JSON.stringify({
      flags: {
        constant: { ...BOOLEAN, defaultVariant: 'on' },
        rollout: {
          ...BOOLEAN,
          defaultVariant: 'off',
          targeting: { if: [isAdmitted, half, 'off'] },
        },
        split: {
          state: 'ENABLED',
          variants: FLAG_SET.flags.split.variants,
          defaultVariant: 'a',
          targeting: { if: [isRecent, { fractional }, 'a'] },
        },
      },
    }),
  );
  return (flagKey, context) =>
    flagKey === 'split'
      ? core.resolveStringEvaluation(flagKey, '', { ...context }).value
      : core.resolveBooleanEvaluation(flagKey, false, { ...context }).value;
};

const growthbook = (): Evaluate => {
  const client = new GrowthBookClient().initSync({
    payload: {
      features: {
        constant: { defaultValue: true },
        rollout: {
          defaultValue: false,
          rules: [
            {
              condition: { plan: 'pro', age: { $gte: 18 }, platform: { $in: PLATFORMS } },
              force: true,
              coverage: 0.5,
              hashAttribute: 'targetingKey',
            },
          ],
        },
        split: {
          defaultValue: 'a',
          rules: [
            {
              condition: { country: { $in: ALLOWED }, version: { $vgte: VERSION } },
              variations: Object.keys(WEIGHTS),
              weights: Object.values(WEIGHTS).map(weight => weight / 100),
              hashAttribute: 'targetingKey',
            },
          ],
        },
      },
    },
  });
  return (flagKey, context) => {
    const value: unknown = client.evalFeature(flagKey, { attributes: { ...context } }).value;
    return value;
  };
};

const CONTEXTS = makeContexts(1_000);
const CALLS = 3_000_000;

let counted = 0;

const loop = (evaluateFlag: Evaluate) => (times: number) => {
  for (let at = 0; at < times; at += 1) {
    const key = KEYS[at % KEYS.length];
    const context = CONTEXTS[at % CONTEXTS.length];
    if (key === undefined || context === undefined) continue;
    const value = evaluateFlag(key, context);
    if (value === true || value === 'd') counted += 1;
  }
};

/** All candidates that bucket as Pennon does must give the very same values. */
const assertSame = (expected: Evaluate, actual: Evaluate): void => {
  for (const context of CONTEXTS)
    for (const key of KEYS)
      if (expected(key, context) !== actual(key, context))
        throw new Error(`flag "${key}" differs for ${context.targetingKey}`);
};

/** Measures the flags in turn, as multiples of what closures written by hand take. */
export const measureMix = async (options: {
  readonly rounds: number;
  readonly roundMs: number;
}): Promise<Table> => {
  const byHand = closures();
  const ours: readonly (readonly [string, Evaluate])[] = [
    ['pennon engine', engine()],
    ['pennon provider.evaluate', await provider()],
  ];
  for (const [, evaluateFlag] of ours) assertSame(byHand, evaluateFlag);
  const candidates: readonly (readonly [string, Evaluate])[] = [
    ['closures by hand', byHand],
    ...ours,
    ['flagd-core', flagd()],
    ['growthbook', growthbook()],
  ];
  const loops = candidates.map(([, evaluateFlag]) => loop(evaluateFlag));
  const times = compare(loops, options);
  const [base = Number.NaN] = times;
  if (counted === 0) throw new Error('nothing was evaluated');
  return {
    title: 'Three flags in turn: a constant, three attributes and a rollout, a list and a version',
    columns: ['candidate', 'ns', 'multiple', `collections in ${CALLS.toLocaleString('en')}`],
    rows: candidates.map(([name], at) => {
      const ns = times[at] ?? Number.NaN;
      const run = loops[at] ?? expectLoop(name);
      return [
        name,
        ns.toFixed(1),
        `${(ns / base).toFixed(2)}x`,
        String(collections(() => run(CALLS))),
      ];
    }),
    notes: [
      'The closures use the same hash. Their values and those of Pennon are compared before.',
      'They return a bare value, trust that attributes have the right types, and read versions without checking them.',
    ],
  };
};

const expectLoop = (name: string): never => {
  throw new Error(`there is no loop of ${name}`);
};
