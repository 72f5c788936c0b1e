import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import { FLAG_BYTES, startFlagServer } from './flag-server.ts';
import type { Project } from './project.ts';

const ROUNDS = 9;
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
 * Returns a program that starts a provider and prints the longest task of the event loop during each step: until
 * the provider is ready, until one flag has changed, and until all flags have arrived again. Tasks are only
 * measured while data arrive, because on a busy machine an idle event loop is interrupted, too.
 */
const programFor = ({ name, className, options }: ProviderPackage): string => `
const { ${className}: Provider } = await import('${name}');
const [, , url] = process.argv;
await (await fetch(url)).text();

let longestMs = 0;
let last = 0;
let idleTasks = 0;
let isMeasuring = false;
const measure = () => {
  const now = performance.now();
  longestMs = Math.max(longestMs, now - last);
  idleTasks = now - last < 0.1 ? idleTasks + 1 : 0;
  last = now;
  if (idleTasks < 50) setImmediate(measure);
  else isMeasuring = false;
};
const startMeasuring = () => {
  idleTasks = 0;
  if (isMeasuring) return;
  isMeasuring = true;
  last = performance.now();
  setImmediate(measure);
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
  await new Promise(resolve => setTimeout(resolve, 50));
  results.push(longestMs);
}
console.log(JSON.stringify(results));
process.exit();
`;

const numbersIn = (json: string): number[] => json.match(/[\d.]+/g)?.map(Number) ?? [];

const STEPS = ['all flags, at the start', 'a change of one flag', 'all flags again, one changed'];

/** Returns the longest task of each step in milliseconds: the median of several processes, and the minimum. */
const measureProvider = async (
  project: Project,
  provider: ProviderPackage,
  flagCount: number,
): Promise<string[]> => {
  const server = await startFlagServer(flagCount);
  const rounds: number[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push(numbersIn(await project.run(programFor(provider), server.url)));
  }
  server.close();
  return STEPS.map((_, index) => {
    const times = rounds.map(round => round[index] ?? Number.NaN);
    return `${median(times).toFixed(1)} (${Math.min(...times).toFixed(1)})`;
  });
};

export const eventLoopTable = async (project: Project): Promise<Table> => {
  const columns: string[][] = [];
  for (const provider of [SERVER, WEB]) {
    for (const flagCount of FLAG_COUNTS) {
      columns.push(await measureProvider(project, provider, flagCount));
    }
  }
  return {
    title: 'The longest task of the event loop, in milliseconds',
    columns: ['step', 'server, 1 flag', '1,000 flags', 'web, 1 flag', '1,000 flags'],
    rows: STEPS.map((step, index) => [step, ...columns.map(column => column[index] ?? '')]),
    notes: [
      `Median and (minimum) of ${ROUNDS} new processes. One flag is ${FLAG_BYTES} bytes of JSON.`,
      'JSON.parse is most of the longest task. The provider splits its own work into several tasks.',
      'On a busy machine, most of the time is waiting for a processor.',
    ],
  };
};
