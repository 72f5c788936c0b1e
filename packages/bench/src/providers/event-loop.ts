import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import { FLAG_BYTES, startFlagServer } from './flag-server.ts';
import type { Project } from './project.ts';

const FLAG_COUNTS = [1, 1_000];

type ProviderPackage = {
  readonly name: string;
  readonly className: string;
  /** The options of the constructor beside the URL, as source text. */
  readonly options: string;
};

const SERVER: ProviderPackage = {
  name: '@pennon/server-provider',
  className: 'PennonProvider',
  options: "key: 'a-key'",
};
const WEB: ProviderPackage = {
  name: '@pennon/web-provider',
  className: 'PennonWebProvider',
  options: "key: 'a-key', storage: { getItem: () => null, setItem() {}, removeItem() {} }",
};

/**
 * Returns a program that starts a provider and prints two times for each step: the longest task of
 * the event loop, and the time from the last byte received to the effect. The steps end when the
 * provider is ready, when one flag has changed, and when all flags have arrived again. Tasks are only
 * measured if data arrive, because on a busy machine an idle event loop is interrupted too.
 */
const programFor = ({ name, className, options }: ProviderPackage): string => `
import { IncomingMessage } from 'node:http';
const { ${className}: Provider } = await import('${name}');
const [, , url] = process.argv;
await (await fetch(url)).text();

let longestMs = 0;
let last = 0;
let idleTasks = 0;
let isMeasuring = false;
let receivedAt = 0;
const measure = () => {
  const now = performance.now();
  longestMs = Math.max(longestMs, now - last);
  idleTasks = now - last < 0.1 ? idleTasks + 1 : 0;
  last = now;
  if (idleTasks < 50) setImmediate(measure);
  else isMeasuring = false;
};
const startMeasuring = () => {
  receivedAt = performance.now();
  idleTasks = 0;
  if (isMeasuring) return;
  isMeasuring = true;
  last = performance.now();
  setImmediate(measure);
};
const { push } = IncomingMessage.prototype;
IncomingMessage.prototype.push = function (chunk, encoding) {
  if (chunk !== null) startMeasuring();
  return push.call(this, chunk, encoding);
};
const originalFetch = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const { body, status, headers } = await originalFetch(...request);
  const measured = new TransformStream({
    transform(chunk, controller) {
      startMeasuring();
      controller.enqueue(chunk);
    },
  });
  return new Response(body.pipeThrough(measured), { status, headers });
};

let resolveChange;
const nextChange = () => new Promise(resolve => { resolveChange = resolve; });
const provider = new Provider({ url, ${options} });
provider.events.addHandler('PROVIDER_CONFIGURATION_CHANGED', () => resolveChange?.());
const steps = [() => provider.initialize({}), nextChange, nextChange];
const results = [];
for (const step of steps) {
  longestMs = 0;
  await step();
  const effectMs = performance.now() - receivedAt;
  await new Promise(resolve => setTimeout(resolve, 50));
  results.push(longestMs, effectMs);
}
console.log(JSON.stringify(results));
process.exit();
`;

const STEPS = ['all flags, at the start', 'a change of one flag', 'all flags again, one changed'];

/** The times of one step in milliseconds. */
type StepTimes = { readonly longestMs: number; readonly effectMs: number };

/** Parses the output of the program: two numbers for each step. */
const timesIn = (json: string): StepTimes[] => {
  const numbers = json.match(/[\d.]+/g)?.map(Number) ?? [];
  return STEPS.map((_, index) => ({
    longestMs: numbers[2 * index] ?? Number.NaN,
    effectMs: numbers[2 * index + 1] ?? Number.NaN,
  }));
};

/** Runs a provider in several processes and returns the times of all steps, by process. */
const measureProvider = async (
  project: Project,
  provider: ProviderPackage,
  { flagCount, rounds }: { readonly flagCount: number; readonly rounds: number },
): Promise<StepTimes[][]> => {
  const server = await startFlagServer(flagCount);
  const measured: StepTimes[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    measured.push(timesIn(await project.run(programFor(provider), server.url)));
  }
  server.close();
  return measured;
};

/** For each step, the median of all processes and the minimum. */
const columnOf = (rounds: StepTimes[][], time: keyof StepTimes): string[] =>
  STEPS.map((_, index) => {
    const times = rounds.map(round => round[index]?.[time] ?? Number.NaN);
    return `${median(times).toFixed(1)} (${Math.min(...times).toFixed(1)})`;
  });

const rowsOf = (measured: StepTimes[][][], time: keyof StepTimes): string[][] => {
  const columns = measured.map(rounds => columnOf(rounds, time));
  return STEPS.map((step, index) => [step, ...columns.map(column => column[index] ?? '')]);
};

export const eventLoopTables = async (project: Project, rounds: number): Promise<Table[]> => {
  const measured: StepTimes[][][] = [];
  for (const provider of [SERVER, WEB]) {
    for (const flagCount of FLAG_COUNTS) {
      measured.push(await measureProvider(project, provider, { flagCount, rounds }));
    }
  }
  const columns = ['step', 'server, 1 flag', '1,000 flags', 'web, 1 flag', '1,000 flags'];
  return [
    {
      title: 'The longest task of the event loop, in milliseconds',
      columns,
      rows: rowsOf(measured, 'longestMs'),
      notes: [
        `Median and (minimum) of ${rounds} new processes. One flag is ${FLAG_BYTES} bytes of JSON.`,
        'JSON.parse is most of the longest task. The provider splits its own work into several tasks.',
        'On a busy machine, most of the time is waiting for a processor.',
      ],
    },
    {
      title: 'From the last byte received until the flags are in use, in milliseconds',
      columns,
      rows: rowsOf(measured, 'effectMs'),
      notes: ['All tasks of the event loop together, including JSON.parse.'],
    },
  ];
};
