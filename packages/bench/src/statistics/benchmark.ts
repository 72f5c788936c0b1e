import type { Table } from '../table.ts';
import { EXPERIMENTS } from './experiments.ts';
import { RAMPS } from './ramps.ts';
import { SAMPLE_RATIOS } from './sample-ratios.ts';
import { measure, type Simulation } from './simulation.ts';

/** What the statistics of experiments promise. */
export const SIMULATIONS: readonly Simulation[] = [...EXPERIMENTS, ...SAMPLE_RATIOS, ...RAMPS];

/** Few runs, and a limit that is wider by this many standard errors. */
export const QUICK = { runs: 2_000, errors: 4 };

const ALL = { runs: 20_000, errors: 0 };

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const limitOf = (atLeast: number, atMost: number): string => {
  if (atMost >= 1) return `≥ ${percent(atLeast)}`;
  return atLeast <= 0 ? `≤ ${percent(atMost)}` : `${percent(atLeast)} – ${percent(atMost)}`;
};

/** Simulates experiments and ramps, and counts how often what is promised holds. */
export const statisticsBenchmark = ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): readonly Table[] => {
  const { runs, errors } = isQuick ? QUICK : ALL;
  const rows = SIMULATIONS.map(simulation => {
    const { share, atLeast, atMost, holds } = measure(simulation, runs, errors);
    if (!holds) process.exitCode = 1;
    return [simulation.title, limitOf(atLeast, atMost), percent(share), holds ? 'yes' : 'NO'];
  });
  return [
    {
      title: `Promises of the statistics in ${runs.toLocaleString('en')} simulated runs each`,
      columns: ['runs', 'limit', 'measured', 'holds'],
      rows,
      notes: isQuick ? [`The limits are ${errors} standard errors wider.`] : [],
    },
  ];
};
