import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import type { Project } from './project.ts';

type Candidate = {
  readonly name: string;
  /** A package that every application with this one has already loaded. It is not measured. */
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

/** The source of a program that prints the milliseconds of one import. */
const programFor = ({ name, after }: Candidate): string => `
${after === undefined ? '' : `await import('${after}');`}
const begin = performance.now();
await import('${name}');
console.log(performance.now() - begin);
process.exit();
`;

export const importTimeTable = async (project: Project, rounds: number): Promise<Table> => {
  const times = CANDIDATES.map((): number[] => []);
  // One candidate after the other in each round, so other load on the machine affects all of them.
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, candidate] of CANDIDATES.entries()) {
      times[index]?.push(Number(await project.run(programFor(candidate))));
    }
  }
  return {
    title: 'Importing a published package in a new process, in milliseconds',
    columns: ['package', 'median', 'fastest'],
    rows: CANDIDATES.map(({ name, after }, index) => [
      after === undefined ? name : `${name}, after its SDK`,
      median(times[index] ?? []).toFixed(1),
      Math.min(...(times[index] ?? [])).toFixed(1),
    ]),
    notes: [
      `${rounds} processes each, in turn. flagd-core is only the engine of flagd's provider.`,
    ],
  };
};
