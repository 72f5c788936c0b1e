import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { readStatuses } from '../../packages/sync/test/support/statuses.ts';
import type { Situation, Step } from '../../packages/sync/test/support/statuses.ts';
import { elementsOf } from './support/markdown.ts';

const page = readFileSync(new URL('../../docs/outages.md', import.meta.url), 'utf8');
const { situations } = readStatuses();

/** The first cell of each row of a table with statuses, and the situations that the row describes. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  // A server provider that evaluates in the process
  'the server responds': ['in-process: the server responds'],
  'the server is lost while the application runs': [
    'in-process: the server is lost and comes back > 1',
  ],
  'the server is cut off from its Redis, at start or later': [
    'in-process: the server is cut off from its store > 1',
    'in-process: the server is cut off from its store at the start',
    'in-process: the server is cut off from its store at the start, and the cache file has flags',
  ],
  'away at start, with a good `cacheFile` or `bootstrap`': [
    'in-process: the server refuses connections, and the cache file has flags',
    'in-process: the server does not respond, and the cache file has flags',
    'in-process: the server responds with 500, and the cache file has flags',
    'in-process: the server responds with 503, and the cache file has flags',
    'in-process: the server refuses connections, and the bootstrap flags are used',
  ],
  'away at start, without either': [
    'in-process: the server refuses connections, and there are no other flags',
    'in-process: the server does not respond, and there are no other flags',
    'in-process: the server responds with 503, and there are no other flags',
  ],
  'the server rejects the key at start, also with a `cacheFile`': [
    'in-process: the server rejects the key with 401',
    'in-process: the server rejects the key with 403',
    'in-process: the server rejects the key, even though the cache file has flags',
  ],
  'the key is revoked while the application runs': [
    'in-process: the key is revoked while the provider runs > 1',
  ],
  'the environment does not exist (404), or none is named (400), without a `cacheFile`': [
    'in-process: the environment does not exist (404)',
    'in-process: the environment is missing or invalid (400)',
  ],
  'the same, with a good `cacheFile`': [
    'in-process: the environment does not exist, and the cache file has flags',
  ],
  'the server redirects to another origin, without a `cacheFile`': [
    'in-process: the server redirects to another origin',
  ],
  'no server, but an `offlineFile` or the option `flags`': [
    'offline: the file has flags',
    'offline: the flags are an option',
  ],
  'the `offlineFile` does not exist': ['offline: the file does not exist'],
  // A server provider in remote mode
  'the server responds to remote evaluations': [
    'remote: the server responds',
    'remote: the key can evaluate flags, but not read the flag set',
  ],
  'lost, and the key can read the flag set (`server`)': [
    'remote: the server is lost, and the key can read the flag set > 1',
  ],
  'lost, and the key cannot (`client`)': [
    'remote: the server is lost, and results are cached > 1',
    'remote: the server is lost, and the cached results have expired > 1',
    'remote: the server is lost before anything was evaluated > 1',
  ],
  'the `client` key is revoked while the application runs': [
    'remote: the key is revoked while the provider runs > 1',
    'remote: the key is revoked before anything was evaluated > 1',
  ],
  'the server that evaluates is cut off from its Redis, at start or later': [
    'remote: the server is cut off from its store > 1',
    'remote: the server is cut off from its store at the start',
    'remote: the server is cut off from its store, and the key cannot read the flag set > 1',
    'remote: the server is cut off from its store at the start, and the key cannot read the flag set',
  ],
  'away at start, with a good `cacheFile`': [
    'remote: the server refuses connections, and the cache file has flags',
  ],
  'away at start, without one': ['remote: the server refuses connections'],
  'the server rejects the key at start': ['remote: the server rejects the key'],
  'the environment does not exist': ['remote: the environment does not exist'],
  // A browser
  'the server responds to the page': ['web: the server responds'],
  'lost while the page is open': ['web: the server is lost and comes back > 1'],
  'the key is revoked while the page is open': [
    'web: the key is revoked while the page is open > 1',
  ],
  'the server of the page is cut off from its Redis, at start or later': [
    'web: the server is cut off from its store > 1',
    'web: the server is cut off from its store at the start',
    'web: the page comes with values, and the server is cut off from its store',
  ],
  'away at start, and the page was there before': [
    'web: the server refuses connections, and there are stored values',
    'web: the server does not respond, and there are stored values',
    'web: the server responds with 503, and there are stored values',
  ],
  'away at start, for the first time': [
    'web: the server refuses connections, and there are no stored values',
    'web: the server does not respond, and there are no stored values',
    'web: the server responds with 503, and there are no stored values',
  ],
  'the page comes with `bootstrap`': ['web: the page comes with values'],
  'the same, and the server is away': [
    'web: the page comes with values, and the server refuses connections',
  ],
  'the key is rejected, and nothing is stored': [
    'web: the server rejects the key with 401',
    'web: the server rejects the key with 403',
  ],
  'the key is rejected, and the page was there before': [
    'web: the server rejects the key, and there are stored values',
  ],
  'the address or the environment is wrong (404, 400), for the first time': [
    'web: the server responds with 400, because the request can never succeed',
    'web: the server responds with 404, because the request can never succeed',
  ],
  'no server, but the option `flags`': ['web: the flags are an option'],
};

type Described = {
  readonly situation: Situation;
  readonly step: Step;
  readonly next: Step | undefined;
};

const RESPONDS: ReadonlySet<unknown> = new Set(['normal', 'evaluate-only']);

/** Whether the step is the start, or the loss of something. Other steps are the return of the server. */
const needsRow = ({ server }: Step, index: number): boolean => index === 0 || !RESPONDS.has(server);

/** Every step that needs a row, by `name` for the start, and `name > index` for a later step. */
const steps = new Map<string, Described>(
  situations
    .filter(({ name }) => !/the flag does not exist|errors of a flag/.test(name))
    .flatMap(situation =>
      situation.steps.flatMap((step, index): [string, Described][] => {
        // A start that succeeds only to lose something later is the same as that of other situations.
        const isPrelude =
          index === 0 && situation.steps.slice(1).some(s => !RESPONDS.has(s.server));
        if (!needsRow(step, index) || isPrelude) return [];
        const id = index === 0 ? situation.name : `${situation.name} > ${index}`;
        return [[id, { situation, step, next: situation.steps[index + 1] }]];
      }),
    ),
);

/** The first cell, the status and the evaluations of each row. */
const rows = elementsOf(page).flatMap(element =>
  element.kind === 'row'
    ? [[element.cells[0] ?? '', element.cells[1] ?? '', element.cells[2] ?? '']]
    : [],
);

it('docs/outages.md has a row for every situation of the table of statuses, and no others', () => {
  expect(rows.map(([name = '']) => name).toSorted()).toEqual(Object.keys(ROWS).toSorted());
  expect(Object.values(ROWS).flat().toSorted()).toEqual([...steps.keys()].toSorted());
});

const quotedIn = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(/`(\w+)`/g)].map(([, word = '']) => word))]
    .filter(word => pattern.test(word))
    .toSorted();

const ERRORS = /^(?:PROVIDER_NOT_READY|PROVIDER_FATAL|GENERAL|FLAG_NOT_FOUND|INVALID_CONTEXT)$/;

it.each(rows)(
  'docs/outages.md, "%s": the status is %s',
  (name = '', status = '', evaluations = '') => {
    const described = (ROWS[name] ?? []).flatMap(id => steps.get(id) ?? []);
    const results = described.flatMap(({ step }) => step.evaluations);
    for (const { step, situation, next } of described) {
      expect(status.replaceAll('`', '').replace(/ at once$/, '')).toBe(step.status);
      if (/at once/.test(`${status} ${evaluations}`)) expect(situation.startsAtOnce).toBe(true);
      if (next !== undefined)
        expect(evaluations).toContain(`\`${next.status}\` when the server is back`);
    }
    const codes = results.flatMap(({ errorCode }) => errorCode ?? []);
    expect(quotedIn(evaluations, ERRORS)).toEqual([...new Set(codes)].toSorted());
    expect(/default value in code/.test(evaluations)).toBe(codes.length > 0);
    expect(quotedIn(evaluations, /^CACHED$/).length > 0).toBe(
      results.some(({ reason }) => reason === 'CACHED'),
    );
  },
);
