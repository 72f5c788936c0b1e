import { sampleRatio } from '@pennon/statistics';

import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

/** Four weeks of a look every ten minutes. */
const LOOKS = 4_032;
const UNITS = 20;

const NEEDED = Math.log(100);

/** No evidence exceeds the logarithm of the largest likelihood ratio, so most looks need none. */
const largestEvidence = (counts: readonly [number, number], share: number): number => {
  const units = counts[0] + counts[1];
  const gain = (count: number, of: number): number =>
    count === 0 ? 0 : count * Math.log(count / units / of);
  return gain(counts[0], share) + gain(counts[1], 1 - share);
};

const everMismatched = (random: Random, share: number): boolean => {
  const counts: [number, number] = [0, 0];
  for (let look = 0; look < LOOKS; look += 1) {
    const first = random.binomial(UNITS, share);
    counts[0] += first;
    counts[1] += UNITS - first;
    if (largestEvidence(counts, share) < NEEDED) continue;
    if (sampleRatio({ phases: [{ counts, weights: [share, 1 - share] }] }).mismatch) return true;
  }
  return false;
};

const falseAlarms = (share: number): Simulation => ({
  title: `right ratio ${100 * share} : ${100 - 100 * share}, ${LOOKS} looks: mismatch`,
  limit: { atMost: 0.01 },
  run: random => everMismatched(random, share),
});

/** A gross mismatch, looked at every 50 units. */
const found: Simulation = {
  title: '60 : 40 instead of 50 : 50, 28 looks of 50 units: mismatch',
  limit: { atLeast: 0.99 },
  run: random => {
    let first = 0;
    for (let look = 1; look <= 28; look += 1) {
      first += random.binomial(50, 0.6);
      const counts = [first, 50 * look - first];
      if (sampleRatio({ phases: [{ counts, weights: [1, 1] }] }).mismatch) return true;
    }
    return false;
  },
};

/** Experiments whose variants have, or do not have, the units of their weights. */
export const SAMPLE_RATIOS: readonly Simulation[] = [falseAlarms(0.5), falseAlarms(0.1), found];
