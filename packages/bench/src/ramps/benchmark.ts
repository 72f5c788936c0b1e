import type { Table } from '../table.ts';
import { runRamps, STEP_COUNT, type SimulatedRamp, type SimulatedRamps } from './simulation.ts';

const COUNT = 50;
const FULL = { batches: 4 };
const QUICK = { batches: 1 };

/** The limits are so many standard errors wider, because the ramps are few. */
const ERRORS = 3;
const MINUTES_BETWEEN_LOOKS = 5;

type Scenario = {
  readonly title: string;
  readonly failed: SimulatedRamps['failed'];
  readonly hours: number;
  readonly holds: (ramp: SimulatedRamp) => boolean;
  readonly limit: { readonly atMost: number } | { readonly atLeast: number };
};

const isRolledBack = ({ state }: SimulatedRamp): boolean => state === 'rolledBack';

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'harmless: rolled back',
    failed: { off: 0.01, on: 0.01 },
    hours: 48,
    holds: isRolledBack,
    limit: { atMost: 0.05 },
  },
  {
    title: 'errors × 20: rolled back within 20 minutes',
    failed: { off: 0.01, on: 0.2 },
    hours: 1,
    holds: ramp => isRolledBack(ramp) && ramp.minutes <= 20,
    limit: { atLeast: 0.9 },
  },
  {
    title: 'errors × 5: rolled back within 3 hours',
    failed: { off: 0.01, on: 0.05 },
    hours: 3,
    holds: isRolledBack,
    limit: { atLeast: 0.95 },
  },
  {
    title: 'errors × 2: rolled back within 5 hours',
    failed: { off: 0.01, on: 0.02 },
    hours: 5,
    holds: isRolledBack,
    limit: { atLeast: 0.95 },
  },
];

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const medianOf = (numbers: readonly number[]): string => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return String(sorted[Math.floor(sorted.length / 2)] ?? '–');
};

const rowOf = (
  { title, limit, holds }: Scenario,
  ramps: readonly SimulatedRamp[],
): readonly string[] => {
  const share = ramps.filter(holds).length / ramps.length;
  const wanted = 'atMost' in limit ? limit.atMost : limit.atLeast;
  const margin = ERRORS * Math.sqrt((wanted * (1 - wanted)) / ramps.length);
  const isWithin = 'atMost' in limit ? share <= wanted + margin : share >= wanted - margin;
  if (!isWithin) process.exitCode = 1;
  const stopped = ramps.filter(isRolledBack);
  return [
    title,
    `${'atMost' in limit ? '≤' : '≥'} ${percent(wanted)}`,
    percent(share),
    medianOf(stopped.map(({ minutes }) => minutes)),
    medianOf(stopped.map(({ treated }) => treated)),
    percent(ramps.filter(isCompleted).length / ramps.length),
    isWithin ? 'yes' : 'NO',
  ];
};

const isCompleted = ({ state, step }: SimulatedRamp): boolean =>
  state === 'completed' && step === STEP_COUNT + 1;

/** Ramps of a million daily users on a real server, which looks at them and decides. */
export const rampsBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<readonly Table[]> => {
  const { batches } = isQuick ? QUICK : FULL;
  const rows: (readonly string[])[] = [];
  for (const scenario of SCENARIOS) {
    const ramps: SimulatedRamp[] = [];
    for (let seed = 1; seed <= batches; seed += 1)
      ramps.push(
        ...(await runRamps({
          ...scenario,
          seed,
          count: COUNT,
          minutesBetweenLooks: MINUTES_BETWEEN_LOOKS,
        })),
      );
    rows.push(rowOf(scenario, ramps));
  }
  return [
    {
      title: `Ramps of 1 %, 5 %, 25 % and 50 % on a server, ${batches * COUNT} of each`,
      columns: [
        'ramps',
        'limit',
        'measured',
        'minutes, median',
        'treated, median',
        'reached 100 %',
        'holds',
      ],
      rows,
      notes: [
        `1,000,000 users a day. Without the release, 1 % of them fail. The server looks every ${MINUTES_BETWEEN_LOOKS} minutes.`,
        `The limits are ${ERRORS} standard errors wider.`,
      ],
    },
  ];
};
