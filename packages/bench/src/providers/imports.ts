import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import type { Project } from './project.ts';

const ROUNDS = 11;

type Candidate = {
  readonly name: string;
  /** What an application with this package has loaded anyway. */
  readonly after?: string;
};

const CANDIDATES: readonly Candidate[] = [
  { name: '@openfeature/server-sdk' },
  { name: '@pennon/server-provider', after: '@openfeature/server-sdk' },
  { name: '@pennon/engine' },
  { name: '@openfeature/web-sdk' },
  { name: '@pennon/web-provider', after: '@openfeature/web-sdk' },
  { name: '@growthbook/growthbook' },
  { name: '@openfeature/flagd-core' },
  { name: 'unleash-client' },
];

const importing = ({ name, after }: Candidate): string => `
${after === undefined ? '' : `await import('${after}');`}
const begin = performance.now();
await import('${name}');
console.log(performance.now() - begin);
process.exit();
`;

/** By turns, so that what else the machine does falls on all. */
export const importTable = async (project: Project): Promise<Table> => {
  const took = CANDIDATES.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, candidate] of CANDIDATES.entries()) {
      took[at]?.push(Number(await project.run(importing(candidate))));
    }
  }
  return {
    title: 'Importing a package as it is published, in a process of its own, in milliseconds',
    columns: ['package', 'median', 'fastest'],
    rows: CANDIDATES.map(({ name, after }, at) => [
      after === undefined ? name : `${name}, after its SDK`,
      median(took[at] ?? []).toFixed(1),
      Math.min(...(took[at] ?? [])).toFixed(1),
    ]),
    notes: [
      `${ROUNDS} processes each, by turns. flagd-core is the engine of flagd's provider alone.`,
    ],
  };
};
