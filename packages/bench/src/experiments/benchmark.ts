import type { Results } from '@pennon/schema';

import type { Table } from '../table.ts';
import { runExperiment, type SimulatedExperiment } from './experiment.ts';

const SHAPE = { days: 7, visitorsPerDay: 600 };
const WITHOUT_EFFECT = { off: 0.1, on: 0.1 };
const WITH_EFFECT = { off: 0.1, on: 0.16 };

const FULL = { runs: 40 };
const QUICK = { runs: 4 };

/** The limits are so many standard errors wider, because the runs are few. */
const ERRORS = 3;

type Outcome = { readonly found: number; readonly covered: number; readonly mismatched: number };

/** Runs an experiment with several seeds, and counts what its results are. */
const repeat = async (rates: SimulatedExperiment['rates'], runs: number): Promise<Outcome> => {
  let [found, covered, mismatched] = [0, 0, 0];
  for (let seed = 1; seed <= runs; seed += 1) {
    const { looks, results } = await runExperiment({ seed, ...SHAPE, rates });
    const { lower, upper } = comparisonIn(results);
    const effect = rates.on - rates.off;
    if ([...looks, results.recommendation.outcome].some(isDecided)) found += 1;
    if (lower !== null && upper !== null && lower <= effect && effect <= upper) covered += 1;
    if (results.sampleRatio.mismatch) mismatched += 1;
  }
  return { found, covered, mismatched };
};

/** Returns how the treatment compares with the control in the primary metric. */
export const comparisonIn = ({
  metrics,
}: Results): Results['metrics'][number]['comparisons'][number] => {
  const comparison = metrics[0]?.comparisons[0];
  if (comparison === undefined) throw new Error('there is no comparison');
  return comparison;
};

const isDecided = (outcome: string): boolean => outcome === 'ship' || outcome === 'doNotShip';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

type Limit = { readonly atMost?: number; readonly atLeast?: number };

/** Experiments on a real server, whose visitors are served by the real providers, from start to end. */
export const experimentsBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<readonly Table[]> => {
  const { runs } = isQuick ? QUICK : FULL;
  const without = await repeat(WITHOUT_EFFECT, runs);
  const withEffect = await repeat(WITH_EFFECT, runs);
  const row = (title: string, count: number, { atMost, atLeast }: Limit): readonly string[] => {
    const limit = atMost ?? atLeast ?? 0;
    const margin = ERRORS * Math.sqrt((limit * (1 - limit)) / runs);
    const share = count / runs;
    const holds = atMost === undefined ? share >= limit - margin : share <= limit + margin;
    if (!holds) process.exitCode = 1;
    const text = `${atMost === undefined ? '≥' : '≤'} ${percent(limit)}`;
    return [title, text, percent(share), holds ? 'yes' : 'NO'];
  };
  return [
    {
      title: `Experiments through providers and server, ${runs} of each`,
      columns: ['experiments', 'limit', 'measured', 'holds'],
      rows: [
        row('without an effect: decided at any look', without.found, { atMost: 0.05 }),
        row('without an effect: interval has 0', without.covered, { atLeast: 0.95 }),
        row('without an effect: sample ratio mismatch', without.mismatched, { atMost: 0.01 }),
        row('10 % against 16 %: decided', withEffect.found, { atLeast: 0.95 }),
        row('10 % against 16 %: interval has the effect', withEffect.covered, { atLeast: 0.95 }),
        row('10 % against 16 %: sample ratio mismatch', withEffect.mismatched, { atMost: 0.01 }),
      ],
      notes: [
        `${SHAPE.days} days of ${SHAPE.visitorsPerDay} visitors, with a look each day and one at the end.`,
        `The limits are ${ERRORS} standard errors wider.`,
      ],
    },
  ];
};
