import { compile, evaluate, evaluateAll, explain } from '@pennon/engine';

import type { Table } from '../table.ts';
import { flagd } from './flagd.ts';
import { growthbook } from './growthbook.ts';
import { collections, compare } from './measure.ts';
import { flagSetOf, pennon } from './pennon.ts';
import {
  EXPECTED_SHARE,
  makeSubjects,
  SCENARIOS,
  type Engine,
  type Evaluate,
  type Scenario,
} from './scenarios.ts';
import { measureMix } from './mix.ts';
import { unleash } from './unleash.ts';

const ENGINES: readonly Engine[] = [pennon, growthbook, flagd, unleash];
/** If there were few flags and subjects, an engine could optimize for one of them. */
const FLAG_KEYS = Array.from({ length: 50 }, (_, at) => `feature-${at}`);
const SUBJECTS = makeSubjects(1_000);
type Rounds = { readonly rounds: number; readonly roundMs: number };

let counted = 0;

/** Evaluates flags and subjects in turn. If results were not counted, calls could be optimized away. */
const loop = (evaluateFlag: Evaluate) => (times: number) => {
  for (let at = 0; at < times; at += 1) {
    const flagKey = FLAG_KEYS[at % FLAG_KEYS.length] ?? '';
    if (evaluateFlag(flagKey, at % SUBJECTS.length) === true) counted += 1;
  }
};

/** An engine that evaluates nothing would be fast, so each must serve the share that the flags define. */
const assertShare = (engine: Engine, scenario: Scenario, evaluateFlag: Evaluate): void => {
  const pairs = FLAG_KEYS.flatMap(key => SUBJECTS.map((_, at) => evaluateFlag(key, at)));
  const others = pairs.filter(value => value === true || value === 'green' || value === 'blue');
  const share = others.length / pairs.length;
  if (Math.abs(share - EXPECTED_SHARE[scenario]) > 0.02) {
    throw new Error(
      `${engine.name} serves ${share} in "${scenario}", not ${EXPECTED_SHARE[scenario]}`,
    );
  }
};

const measureScenario = (scenario: Scenario, options: Rounds): string[] => {
  const loops = ENGINES.map(engine => {
    const evaluateFlag = engine.prepare(scenario, FLAG_KEYS, SUBJECTS);
    assertShare(engine, scenario, evaluateFlag);
    return loop(evaluateFlag);
  });
  const [ours = Number.NaN, ...peers] = compare(loops, options);
  const fastest = Math.min(...peers);
  return [
    scenario,
    ours.toFixed(0),
    ...peers.map(peer => `${peer.toFixed(0)} (${(peer / ours).toFixed(1)}x)`),
    `${(fastest / ours).toFixed(1)}x`,
  ];
};

const comparePeers = (options: Rounds): Table => ({
  title: 'One evaluation, in nanoseconds, compared with other engines in the same process',
  columns: ['flag', ...ENGINES.map(({ name }) => name), 'fastest peer'],
  rows: SCENARIOS.map(scenario => measureScenario(scenario, options)),
  notes: [
    `50 flags and 1,000 subjects in turn; the fastest of ${options.rounds} rounds that alternate between the engines.`,
    'Engines only, without an SDK, hooks or metrics. Each is checked to serve the right shares.',
  ],
});

const MANY = Array.from({ length: 1_000 }, (_, at) => `feature-${at}`);
const CONTEXT = { targetingKey: 'user-1', plan: 'pro', country: 'DE', age: 40 };

const repeat = (run: () => unknown) => (times: number) => {
  for (let at = 0; at < times; at += 1) if (run() === undefined) counted += 1;
};

const formatNs = (ns: number): string =>
  ns < 1_000
    ? `${ns.toFixed(0)} ns`
    : ns < 1e6
      ? `${(ns / 1e3).toFixed(1)} µs`
      : `${(ns / 1e6).toFixed(2)} ms`;

/** Measures what a server does besides single evaluations, with 1,000 typical flags. */
const measureManyFlags = (options: Rounds): Table => {
  const set = flagSetOf('attribute and percentage', MANY);
  const ready = compile(set);
  evaluateAll(ready, CONTEXT);
  const change = (enabled: boolean) => ({
    ...set,
    flags: { ...set.flags, 'feature-7': { ...set.flags['feature-7'], enabled } },
  });
  const changes = [change(true), change(false)];
  let current = ready;
  let turn = 0;
  const update = () => {
    turn += 1;
    current = compile(changes[turn % 2], current);
    return evaluate(current, 'feature-7', CONTEXT);
  };
  const tasks: readonly (readonly [string, () => unknown])[] = [
    ['compile, without flags', () => compile(set)],
    ['compile, with every flag', () => compile(set).problems],
    ['apply one changed flag and evaluate it', update],
    ['evaluate all', () => evaluateAll(ready, CONTEXT)],
    ['explain one', () => explain(ready, 'feature-7', CONTEXT)],
  ];
  const measured = compare(
    tasks.map(([, run]) => repeat(run)),
    options,
  );
  return {
    title: 'Other tasks, with 1,000 flags of an attribute and a percentage',
    columns: ['task', 'time'],
    rows: tasks.map(([task], at) => [task, formatNs(measured[at] ?? Number.NaN)]),
  };
};

const CALLS = 5_000_000;

/** Enough evaluations that allocating 16 bytes in each would fill the young generation several times. */
const garbage = (): Table => {
  const rows = SCENARIOS.map(scenario => {
    const run = loop(pennon.prepare(scenario, FLAG_KEYS, SUBJECTS));
    run(200_000);
    return [scenario, String(collections(() => run(CALLS)))];
  });
  return {
    title: `Garbage collections during ${CALLS.toLocaleString('en')} evaluations`,
    columns: ['flag', 'collections'],
    rows,
  };
};

export const engineBenchmark = async ({
  isQuick,
}: {
  readonly isQuick: boolean;
}): Promise<Table[]> => {
  const options = { rounds: isQuick ? 12 : 150, roundMs: 4 };
  const tables = [
    comparePeers(options),
    await measureMix(options),
    measureManyFlags(options),
    garbage(),
  ];
  if (counted === 0) throw new Error('nothing was evaluated');
  return tables;
};
