import { GrowthBookClient, type FeatureDefinition } from '@growthbook/growthbook';

import { COLORS, COUNTRIES, PERCENTAGE, type Engine, type Scenario } from './scenarios.ts';

const FEATURES: Readonly<Record<Scenario, FeatureDefinition>> = {
  'attribute and percentage': {
    defaultValue: false,
    rules: [
      { condition: { plan: 'pro' }, force: true, coverage: PERCENTAGE / 100, hashAttribute: 'id' },
    ],
  },
  'three-way split': {
    defaultValue: 'red',
    rules: [
      {
        variations: [...COLORS],
        weights: COLORS.map(() => 1 / COLORS.length),
        hashAttribute: 'id',
      },
    ],
  },
  'list of countries': {
    defaultValue: false,
    rules: [{ condition: { country: { $in: COUNTRIES } }, force: true }],
  },
  'no rules': { defaultValue: true },
};

export const growthbook: Engine = {
  name: 'growthbook 1.8',
  prepare: (scenario, flagKeys, subjects) => {
    const features = Object.fromEntries(flagKeys.map(key => [key, FEATURES[scenario]]));
    const client = new GrowthBookClient().initSync({ payload: { features } });
    const users = subjects.map(attributes => ({ attributes }));
    return (flagKey, subject) => {
      const value: unknown = client.evalFeature(flagKey, users[subject] ?? {}).value;
      return value;
    };
  },
};
