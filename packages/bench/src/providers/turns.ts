import { median } from '../engine/measure.ts';
import type { Table } from '../table.ts';
import type { Project } from './project.ts';
import { startSource } from './source.ts';

const ROUNDS = 9;
const FLAGS = [1, 1_000];

type Opened = {
  readonly name: string;
  readonly exported: string;
  /** What it is opened with beside the address, as a program says it. */
  readonly options: string;
};

const SERVER: Opened = {
  name: '@pennon/server-provider',
  exported: 'PennonProvider',
  options: "key: 'a-key'",
};
const WEB: Opened = {
  name: '@pennon/web-provider',
  exported: 'PennonWebProvider',
  options: "key: 'a-key', storage: { getItem: () => null, setItem() {}, removeItem() {} }",
};

/**
 * Opens a provider and says how long the longest turn of the event loop was while it took in what came:
 * until it was ready, until one flag had changed, and until all had come once more. Turns are looked at only
 * while something comes, since a busy machine interrupts one that waits, too.
 */
const program = ({ name, exported, options }: Opened): string => `
const { ${exported}: Provider } = await import('${name}');
const [, , url] = process.argv;
await (await fetch(url)).text();

let longest = 0;
let last = 0;
let quiet = 0;
let looking = false;
const look = () => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  quiet = now - last < 0.1 ? quiet + 1 : 0;
  last = now;
  if (quiet < 50) setImmediate(look);
  else looking = false;
};
const begin = () => {
  quiet = 0;
  if (looking) return;
  looking = true;
  last = performance.now();
  setImmediate(look);
};
const realFetch = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const { body, status, headers } = await realFetch(...request);
  const told = new TransformStream({
    transform(chunk, controller) {
      begin();
      controller.enqueue(chunk);
    },
  });
  return new Response(body.pipeThrough(told), { status, headers });
};

let tell;
const changed = () => new Promise(resolve => { tell = resolve; });
const provider = new Provider({ url, ${options} });
provider.events.addHandler('PROVIDER_CONFIGURATION_CHANGED', ({ flagsChanged }) => tell(flagsChanged));
const steps = [() => provider.initialize({}), changed, changed];
const turns = [];
for (const step of steps) {
  longest = 0;
  await step();
  await new Promise(resolve => setTimeout(resolve, 50));
  turns.push(longest);
}
console.log(JSON.stringify(turns));
process.exit();
`;

const numbersIn = (json: string): number[] => json.match(/[\d.]+/g)?.map(Number) ?? [];

const WHAT = [
  'all flags, at the start',
  'a change of one flag',
  'all flags once more, one changed',
];

/** Longest turns in milliseconds, for each thing that happens: the median of processes, and the least. */
const measure = async (project: Project, provider: Opened, flags: number): Promise<string[]> => {
  const source = await startSource(flags);
  const rounds: number[][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push(numbersIn(await project.run(program(provider), source.url)));
  }
  source.close();
  return WHAT.map((_, at) => {
    const turns = rounds.map(round => round[at] ?? Number.NaN);
    return `${median(turns).toFixed(1)} (${Math.min(...turns).toFixed(1)})`;
  });
};

export const turnTable = async (project: Project): Promise<Table> => {
  const measured: string[][] = [];
  for (const provider of [SERVER, WEB]) {
    for (const flags of FLAGS) measured.push(await measure(project, provider, flags));
  }
  return {
    title: "The longest turn of the application's event loop, in milliseconds",
    columns: ['what comes', 'server, 1 flag', '1,000 flags', 'web, 1 flag', '1,000 flags'],
    rows: WHAT.map((what, at) => [what, ...measured.map(each => each[at] ?? '')]),
    notes: [
      `Median and (least) of ${ROUNDS} processes that ran nothing before; a flag is 740 bytes of JSON.`,
      'Most of the longest is JSON.parse: what is made of it takes turns of its own.',
      'On a machine that is busy otherwise, most of all is waiting for a processor.',
    ],
  };
};
