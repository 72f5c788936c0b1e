import { EventEmitter } from 'node:events';

import clientModule from 'unleash-client/lib/client.js';
import type { FeatureInterface } from 'unleash-client/lib/feature.js';
import { defaultStrategies } from 'unleash-client/lib/strategy/index.js';
import { Operator, type Constraint } from 'unleash-client/lib/strategy/strategy.js';

import { COLORS, COUNTRIES, PERCENTAGE, type Engine, type Scenario } from './scenarios.ts';

const isOneOf = (contextName: string, values: string[]): Constraint => ({
  contextName,
  operator: Operator.IN,
  inverted: false,
  values,
});

const rollout = (groupId: string, percentage: number, constraints: Constraint[]) => ({
  name: 'flexibleRollout',
  parameters: { rollout: percentage, stickiness: 'userId', groupId },
  constraints,
});

const featureOf = (scenario: Scenario, name: string): FeatureInterface => {
  const feature = { name, enabled: true };
  switch (scenario) {
    case 'attribute and percentage':
      return { ...feature, strategies: [rollout(name, PERCENTAGE, [isOneOf('plan', ['pro'])])] };
    case 'three-way split':
      return {
        ...feature,
        strategies: [],
        variants: COLORS.map(color => ({ name: color, weight: 1 })),
      };
    case 'list of countries':
      return {
        ...feature,
        strategies: [
          { name: 'default', parameters: {}, constraints: [isOneOf('country', COUNTRIES)] },
        ],
      };
    case 'no rules':
      return { ...feature, strategies: [] };
  }
};

/** A repository in memory, without a server, polling or metrics. */
const repositoryOf = (features: ReadonlyMap<string, FeatureInterface>) =>
  Object.assign(new EventEmitter(), {
    getToggle: (name: string) => features.get(name),
    getToggles: () => [...features.values()],
    getTogglesWithSegmentData: () => [],
    getSegment: () => undefined,
    stop: () => undefined,
    start: () => Promise.resolve(),
  });

/** The engine inside unleash-client, without the metrics that the client records for each call. */
export const unleash: Engine = {
  name: 'unleash-client 6.12',
  prepare: (scenario, flagKeys, subjects) => {
    const features = new Map(flagKeys.map(key => [key, featureOf(scenario, key)]));
    const client = new clientModule.default(repositoryOf(features), defaultStrategies);
    const contexts = subjects.map(({ id, ...properties }) => ({ userId: id, properties }));
    const off = () => false;
    return scenario === 'three-way split'
      ? (flagKey, subject) => client.getVariant(flagKey, contexts[subject] ?? {}).name
      : (flagKey, subject) => client.isEnabled(flagKey, contexts[subject] ?? {}, off);
  },
};
