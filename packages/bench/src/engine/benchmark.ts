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
  type Ask,
  type Engine,
  type Scenario,
} from './scenarios.ts';
import { unleash } from './unleash.ts';

const ENGINES: readonly Engine[] = [pennon, growthbook, flagd, unleash];
/** Enough flags and subjects that no engine can settle on one of them. */
const FLAG_KEYS = Array.from({ length: 50 }, (_, at) => `feature-${at}`);
const SUBJECTS = makeSubjects(1_000);
const ROUNDS = { rounds: 9, roundMs: 60 };

let answered = 0;

/** Asks flags and subjects in turn. What comes back is counted, so that no call can be left out. */
const asking = (ask: Ask) => (times: number) => {
  for (let at = 0; at < times; at += 1) {
    const flagKey = FLAG_KEYS[at % FLAG_KEYS.length] ?? '';
    if (ask(flagKey, at % SUBJECTS.length) === true) answered += 1;
  }
};

/** An engine that does not decide would be fast: each must serve about the share that the flags say. */
const assertDecides = (engine: Engine, scenario: Scenario, ask: Ask): void => {
  const pairs = FLAG_KEYS.flatMap(key => SUBJECTS.map((_, at) => ask(key, at)));
  const others = pairs.filter(value => value === true || value === 'green' || value === 'blue');
  const share = others.length / pairs.length;
  if (Math.abs(share - EXPECTED_SHARE[scenario]) > 0.02) {
    throw new Error(
      `${engine.name} serves ${share} in "${scenario}", not ${EXPECTED_SHARE[scenario]}`,
    );
  }
};

const measureScenario = (scenario: Scenario): string[] => {
  const asks = ENGINES.map(engine => {
    const ask = engine.prepare(scenario, FLAG_KEYS, SUBJECTS);
    assertDecides(engine, scenario, ask);
    return asking(ask);
  });
  const [ours = Number.NaN, ...peers] = compare(asks, ROUNDS);
  const fastest = Math.min(...peers);
  return [
    scenario,
    ours.toFixed(0),
    ...peers.map(peer => `${peer.toFixed(0)} (${(peer / ours).toFixed(1)}x)`),
    `${(fastest / ours).toFixed(1)}x`,
  ];
};

const besidePeers = (): Table => ({
  title: 'One evaluation, in nanoseconds, beside other engines in the same process',
  columns: ['flag', ...ENGINES.map(({ name }) => name), 'fastest peer'],
  rows: SCENARIOS.map(measureScenario),
  notes: [
    '50 flags and 1,000 subjects in turn; medians of 9 rounds, engines by turns.',
    'Engines alone: no SDK, no hooks, no metrics around them. Each is checked to serve the right shares.',
  ],
});

const MANY = Array.from({ length: 1_000 }, (_, at) => `feature-${at}`);
const CONTEXT = { targetingKey: 'user-1', plan: 'pro', country: 'DE', age: 40 };

const repeat = (run: () => unknown) => (times: number) => {
  for (let at = 0; at < times; at += 1) if (run() === undefined) answered += 1;
};

const formatNs = (ns: number): string =>
  ns < 1_000
    ? `${ns.toFixed(0)} ns`
    : ns < 1e6
      ? `${(ns / 1e3).toFixed(1)} µs`
      : `${(ns / 1e6).toFixed(2)} ms`;

/** What a server does around evaluations, on 1,000 flags of the typical kind. */
const onManyFlags = (): Table => {
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
  const named: readonly (readonly [string, () => unknown])[] = [
    ['set up, before the first evaluation', () => compile(set)],
    ['set up and compile every flag', () => compile(set).problems],
    ['take one changed flag over, and ask it', update],
    ['evaluate all', () => evaluateAll(ready, CONTEXT)],
    ['explain one', () => explain(ready, 'feature-7', CONTEXT)],
  ];
  const measured = compare(
    named.map(([, run]) => repeat(run)),
    ROUNDS,
  );
  return {
    title: 'Around evaluations, with 1,000 flags of an attribute and a percentage',
    columns: ['what', 'takes'],
    rows: named.map(([what], at) => [what, formatNs(measured[at] ?? Number.NaN)]),
  };
};

const CALLS = 5_000_000;

/** Five million evaluations that allocated 16 bytes each would fill the young generation several times. */
const garbage = (): Table => {
  const rows = SCENARIOS.map(scenario => {
    const run = asking(pennon.prepare(scenario, FLAG_KEYS, SUBJECTS));
    run(200_000);
    return [scenario, String(collections(() => run(CALLS)))];
  });
  return {
    title: `Garbage collections during ${CALLS.toLocaleString('en')} evaluations`,
    columns: ['flag', 'collections'],
    rows,
  };
};

export const engineBenchmark = (): Table[] => {
  const tables = [besidePeers(), onManyFlags(), garbage()];
  if (answered === 0) throw new Error('nothing was evaluated');
  return tables;
};
