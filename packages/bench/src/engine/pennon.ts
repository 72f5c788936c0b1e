import { compile, evaluate } from '@pennon/engine';

import { COLORS, COUNTRIES, PERCENTAGE, type Engine, type Scenario } from './scenarios.ts';

const BOOLEAN = { type: 'boolean', enabled: true, variants: { on: true, off: false } };

const FLAGS: Readonly<Record<Scenario, object>> = {
  'attribute and percentage': {
    ...BOOLEAN,
    defaultVariant: 'off',
    rules: [
      {
        id: 'pro',
        conditions: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
        variant: 'on',
        percentage: PERCENTAGE,
      },
    ],
  },
  'three-way split': {
    type: 'string',
    enabled: true,
    variants: Object.fromEntries(COLORS.map(color => [color, color])),
    defaultVariant: 'red',
    rules: [{ id: 'all', split: COLORS.map(variant => ({ variant, weight: 1 })) }],
  },
  'list of countries': {
    ...BOOLEAN,
    defaultVariant: 'off',
    rules: [
      {
        id: 'eu',
        conditions: [{ attribute: 'country', operator: 'in', value: COUNTRIES }],
        variant: 'on',
      },
    ],
  },
  'no rules': { ...BOOLEAN, defaultVariant: 'on' },
};

/** Returns a flag set with one flag of the scenario for each key. */
export const flagSetOf = (scenario: Scenario, flagKeys: readonly string[]) => ({
  formatVersion: 1,
  flags: Object.fromEntries(flagKeys.map(key => [key, { key, ...FLAGS[scenario] }])),
});

export const pennon: Engine = {
  name: 'pennon',
  prepare: (scenario, flagKeys, subjects) => {
    const compiled = compile(flagSetOf(scenario, flagKeys));
    const contexts = subjects.map(({ id, ...attributes }) => ({ targetingKey: id, ...attributes }));
    return (flagKey, subject) => {
      const evaluation = evaluate(compiled, flagKey, contexts[subject]);
      return 'value' in evaluation ? evaluation.value : undefined;
    };
  },
};
