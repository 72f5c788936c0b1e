import { FlagdCore } from '@openfeature/flagd-core';

import { COLORS, COUNTRIES, PERCENTAGE, type Engine, type Scenario } from './scenarios.ts';

const BOOLEAN = { state: 'ENABLED', variants: { on: true, off: false } };

const FLAGS: Readonly<Record<Scenario, object>> = {
  'attribute and percentage': {
    ...BOOLEAN,
    defaultVariant: 'off',
    targeting: {
      if: [
        { '==': [{ var: 'plan' }, 'pro'] },
        {
          fractional: [
            ['on', PERCENTAGE],
            ['off', 100 - PERCENTAGE],
          ],
        },
        'off',
      ],
    },
  },
  'three-way split': {
    state: 'ENABLED',
    variants: Object.fromEntries(COLORS.map(color => [color, color])),
    defaultVariant: 'red',
    targeting: { fractional: COLORS.map(color => [color, 1]) },
  },
  'list of countries': {
    ...BOOLEAN,
    defaultVariant: 'off',
    targeting: { if: [{ in: [{ var: 'country' }, COUNTRIES] }, 'on', 'off'] },
  },
  'no rules': { ...BOOLEAN, defaultVariant: 'on' },
};

export const flagd: Engine = {
  name: 'flagd-core 4.0',
  prepare: (scenario, flagKeys, subjects) => {
    const core = new FlagdCore();
    core.setConfigurations(
      JSON.stringify({ flags: Object.fromEntries(flagKeys.map(key => [key, FLAGS[scenario]])) }),
    );
    const contexts = subjects.map(({ id, ...attributes }) => ({ targetingKey: id, ...attributes }));
    return scenario === 'three-way split'
      ? (flagKey, subject) => core.resolveStringEvaluation(flagKey, '', contexts[subject]).value
      : (flagKey, subject) =>
          core.resolveBooleanEvaluation(flagKey, false, contexts[subject]).value;
  },
};
