import type { Results } from '@pennon/schema';

import type { AnalysisInput } from './input.ts';
import { percent, sumOf } from './recommendation.ts';

type Warning = Results['warnings'][number];

const MINUTE_MS = 60_000;

/** Exposures that come after the fold has taken their time are counted, but show slow clients. */
const LATE_SHARE = 0.01;

/** Returns what the reader of results should know beside them. */
export const warningsOf = (input: AnalysisInput, metrics: Results['metrics']): Warning[] => [
  ...(input.isExternal ? [] : eventWarnings(input)),
  ...earlyWarnings(input, metrics),
  ...(input.method === 'bayesian' ? [NO_PROMISE] : []),
];

const eventWarnings = ({ health, moments, final }: AnalysisInput): Warning[] => {
  const { exposures, late, withoutValue } = health;
  return [
    ...(late > LATE_SHARE * exposures
      ? [{ code: 'lateEvents', text: `${percent(late / exposures)} of the events came late.` }]
      : []),
    ...(withoutValue > 0
      ? [
          {
            code: 'withoutValue',
            text: `${withoutValue} events of a sum have no number, and were left out.`,
          },
        ]
      : []),
    ...(!final && moments.lagMs > MINUTE_MS
      ? [
          {
            code: 'lag',
            text: `Events of the last ${Math.ceil(moments.lagMs / MINUTE_MS)} minutes are not counted yet.`,
          },
        ]
      : []),
    ...(sumOf(moments.units) === 0 && exposures === 0
      ? [{ code: 'noExposures', text: 'No unit was exposed yet.' }]
      : []),
  ];
};

/** A difference that is found early is found because it looked large. */
const earlyWarnings = (
  { ended, method, plan }: AnalysisInput,
  metrics: Results['metrics'],
): Warning[] => {
  const isDecided = metrics.some(({ comparisons }) =>
    comparisons.some(({ outcome }) => outcome === 'better' || outcome === 'worse'),
  );
  const when = plan === null ? 'early' : 'before the planned end';
  // Only the intervals of a sequential test are right at any look.
  const promise = method === 'sequential' ? '; the interval is right' : '';
  return ended || !isDecided
    ? []
    : [
        {
          code: 'early',
          text: `Decided ${when}: the estimate is likely too large${promise}.`,
        },
      ];
};

const NO_PROMISE: Warning = {
  code: 'noPromise',
  text: 'The Bayesian method makes no promise about false positives if you stop when it looks good.',
};
