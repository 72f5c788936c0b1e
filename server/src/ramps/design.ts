import { didYouMean, type ErrorDetail, type Flag, type Ramp } from '@pennon/schema';

import { measurementProblems, type Records } from '../experiments/design.ts';

/** Returns why a ramp could not be started: its flag, its variants and its metrics. */
export const rampProblems = (records: Records, ramp: Ramp): ErrorDetail[] => [
  ...flagProblems(records, ramp),
  ...measurementProblems(records, ramp.guardrails, 'guardrails'),
];

const flagProblems = (records: Records, ramp: Ramp): ErrorDetail[] => {
  const flag = records.flags.get(ramp.flag)?.document;
  if (flag === undefined) {
    const suggestion = didYouMean(ramp.flag, records.flags.keyList());
    const message = `flag "${ramp.flag}" does not exist in this environment: create it first${suggestion}`;
    return [{ path: 'flag', message }];
  }
  return [
    ...variantProblems(flag, 'treatment', ramp.treatment),
    ...(ramp.control == null ? [] : variantProblems(flag, 'control', ramp.control)),
  ];
};

const variantProblems = (
  { key, variants }: Flag,
  path: 'control' | 'treatment',
  name: string,
): ErrorDetail[] => {
  if (Object.hasOwn(variants, name)) return [];
  const names = Object.keys(variants);
  const known = names.map(each => `"${each}"`).join(', ');
  return [
    {
      path,
      message: `must be a variant of flag "${key}": ${known}${didYouMean(name, names)}`,
    },
  ];
};
