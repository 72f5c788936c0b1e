import { median } from '../engine/measure.ts';
import { startServer } from '../http/processes.ts';
import type { Table } from '../table.ts';
import {
  countNodes,
  measureLetters,
  measureLoad,
  signIn,
  startBrowser,
  type Conditions,
  type SignedIn,
} from './browser.ts';
import { importFlags, SERVER_SETTINGS, waitForConsole, type Project } from './project.ts';

const PENNON = new URL('../../../../server/src/main.ts', import.meta.url).pathname;

const FAST: Conditions = { cpuSlowdown: 1 };
const SLOW: Conditions = { cpuSlowdown: 4, megabitsPerSecond: 1.6 };

/** Each key changes how many flags are found. */
const SEARCH = ['l', '-', '1', '2', 'Backspace', 'Backspace', 'Backspace', 'Backspace'];

const measureLoads = async (
  person: SignedIn,
  project: Project,
  conditions: Conditions,
  rounds: number,
): Promise<string> => {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1)
    times.push(await measureLoad(person, project, conditions));
  return (median(times) / 1_000).toFixed(2);
};

const measure = async (person: SignedIn, project: Project, rounds: number): Promise<string[]> => {
  const slow = await measureLoads(person, project, SLOW, 1);
  const fast = await measureLoads(person, project, FAST, rounds);
  const nodes = await countNodes(person);
  const letters = await measureLetters(person, SEARCH);
  return [
    `${project.flags} flags × 5 environments`,
    fast,
    slow,
    String(nodes),
    median(letters).toFixed(0),
    Math.max(...letters).toFixed(0),
  ];
};

/** Starts a server with as many flags, and measures its list in a browser. */
const measureProject = async (flags: number, rounds: number): Promise<string[]> => {
  const server = await startServer([PENNON], SERVER_SETTINGS);
  const browser = await startBrowser();
  try {
    const project = { url: server.url, flags };
    await importFlags(project);
    await waitForConsole(server.url);
    return await measure(await signIn(browser, project), project, rounds);
  } finally {
    await browser.close();
    await server.stop();
  }
};

/** Measures how long the list of flags takes in Chromium: its first load, and each letter of a search. */
export const consoleBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table[]> => {
  const rounds = isQuick ? 1 : 5;
  return [
    {
      title: 'The list of flags in Chromium, until it is painted',
      columns: ['', 'cold, s', 'slow, s', 'elements', 'letter, ms', 'slowest, ms'],
      rows: [await measureProject(1_000, rounds), await measureProject(10_000, rounds)],
      notes: [
        `cold: with an empty cache, the median of ${rounds}. slow: the same on a CPU that is 4 times as slow, with 1.6 Mb/s.`,
        'letter: from the key press in the search to the paint of its result, the median and the slowest of 8.',
      ],
    },
  ];
};
