import { OpenFeature } from '@openfeature/server-sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { slowTime } from '../../../packages/sync/test/support/patience.ts';
import { PennonProvider } from '../src/index.ts';
import {
  evaluateCase,
  expectedDetails,
  isRejected,
  isValidContext,
  readThemes,
  toJson,
  withoutTelemetry,
} from './support/cases.ts';
import type { Case } from './support/cases.ts';

let server: FlagServer;
let environments = 0;
let evaluated = 0;

beforeAll(async () => {
  server = await startFlagServer();
});
afterAll(() => server.close());

type Documents = Readonly<Record<string, object>>;

/** Stores documents in the order of their references: retries the rejected ones until none is left or accepted. */
const storeAll = async (
  resource: string,
  environment: string,
  documents: Documents,
): Promise<boolean> => {
  let left = Object.entries(documents);
  for (let before = left.length + 1; left.length < before && left.length > 0;) {
    before = left.length;
    const rejected: typeof left = [];
    for (const [key, document] of left) {
      const body = toJson({ ...document, key });
      await server.api('POST', `${resource}?environment=${environment}`, body).catch(() => {
        rejected.push([key, document]);
      });
    }
    left = rejected;
  }
  return left.length === 0;
};

/** Creates an environment with the flags of a case; undefined if the server rejects one of them. */
const store = async ({ flagSet }: Case): Promise<string | undefined> => {
  environments += 1;
  const environment = `case-${environments}`;
  const { flags, segments } = flagSet as { flags: Documents; segments?: Documents };
  await server.api('POST', 'environments', { key: environment });
  const stored =
    (await storeAll('segments', environment, segments ?? {})) &&
    (await storeAll('flags', environment, flags));
  if (stored) return environment;
  await server.api('DELETE', `environments/${environment}?confirm=${environment}`);
  return undefined;
};

/** A server stores no malformed flags, and completes flags that an engine would reject. */
const canBeStored = (one: Case): boolean =>
  one.expected.errorCode !== 'PARSE_ERROR' && isValidContext(one.context) && !isRejected(one);

const byFlagSet = (cases: readonly Case[]): Case[][] => [
  ...Map.groupBy(cases.filter(canBeStored), ({ flagSet }) => toJson(flagSet)).values(),
];

const evaluateAllCases = async (environment: string, cases: readonly Case[]) => {
  const { url, adminKey: key } = server;
  // Cases with equal contexts must not get the reason CACHED.
  const options = { mode: 'remote', cacheEntries: 0, stream: false } as const;
  const provider = new PennonProvider({ url: url(), key, environment, ...options }, slowTime);
  await OpenFeature.setProviderAndWait('remote', provider);
  const client = OpenFeature.getClient('remote');
  const results = [];
  for (const one of cases)
    results.push({ name: one.name, ...withoutTelemetry(await evaluateCase(client, one)) });
  evaluated += cases.length;
  return results;
};

it.each(readThemes())(
  'remote evaluation returns the results of the engine: $theme',
  async ({ cases }) => {
    for (const group of byFlagSet(cases)) {
      const [first] = group;
      const environment = first && (await store(first));
      if (environment === undefined) continue;
      const results = await evaluateAllCases(environment, group);
      expect(results).toEqual(group.map(one => ({ name: one.name, ...expectedDetails(one) })));
      await server.api('DELETE', `environments/${environment}?confirm=${environment}`);
    }
  },
);

it('most cases can be stored and were evaluated', () => {
  expect(evaluated).toBeGreaterThan(900);
});
