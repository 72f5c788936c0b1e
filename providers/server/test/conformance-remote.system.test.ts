import { OpenFeature } from '@openfeature/server-sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { startFlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import type { FlagServer } from '../../../packages/sync/test/support/flag-server.ts';
import { PennonProvider } from '../src/index.ts';
import {
  ask,
  inOpenFeature,
  isRefused,
  reachesUs,
  readThemes,
  toJson,
  withoutFacts,
} from './support/cases.ts';
import type { Case } from './support/cases.ts';

let server: FlagServer;
let environments = 0;
let asked = 0;

beforeAll(async () => {
  server = await startFlagServer();
});
afterAll(() => server.close());

type Documents = Readonly<Record<string, object>>;

/** Stores what can be stored at once, and then what names it, until nothing more can. */
const storeAll = async (
  noun: string,
  environment: string,
  documents: Documents,
): Promise<boolean> => {
  let left = Object.entries(documents);
  for (let before = left.length + 1; left.length < before && left.length > 0;) {
    before = left.length;
    const refused: typeof left = [];
    for (const [key, document] of left) {
      const body = toJson({ ...document, key });
      await server.api('POST', `${noun}?environment=${environment}`, body).catch(() => {
        refused.push([key, document]);
      });
    }
    left = refused;
  }
  return left.length === 0;
};

/** An environment with the flags of these cases; undefined where the server refuses one of them. */
const store = async ({ flagSet }: Case): Promise<string | undefined> => {
  environments += 1;
  const environment = `case-${environments}`;
  const { flags, segments } = flagSet as { flags: Documents; segments?: Documents };
  await server.api('POST', 'environments', { key: environment });
  const stored =
    (await storeAll('segments', environment, segments ?? {})) &&
    (await storeAll('flags', environment, flags));
  if (stored) return environment;
  await server.api('DELETE', `environments/${environment}`);
  return undefined;
};

/** A server stores nothing malformed, and fills in what the engine alone would refuse. */
const mayBeStored = (one: Case): boolean =>
  one.expected.errorCode !== 'PARSE_ERROR' && reachesUs(one.context) && !isRefused(one);

const byFlagSet = (cases: readonly Case[]): Case[][] => [
  ...Map.groupBy(cases.filter(mayBeStored), ({ flagSet }) => toJson(flagSet)).values(),
];

const answersOf = async (environment: string, cases: readonly Case[]) => {
  const { url, adminKey: key } = server;
  const provider = new PennonProvider({
    url: url(),
    key,
    environment,
    mode: 'remote',
    stream: false,
  });
  await OpenFeature.setProviderAndWait('remote', provider);
  const client = OpenFeature.getClient('remote');
  const answers = [];
  for (const one of cases)
    answers.push({ name: one.name, ...withoutFacts(await ask(client, one)) });
  asked += cases.length;
  return answers;
};

it.each(readThemes())('remote answers what the engine answers: $theme', async ({ cases }) => {
  for (const group of byFlagSet(cases)) {
    const [first] = group;
    const environment = first && (await store(first));
    if (environment === undefined) continue;
    const answers = await answersOf(environment, group);
    expect(answers).toEqual(group.map(one => ({ name: one.name, ...inOpenFeature(one) })));
    await server.api('DELETE', `environments/${environment}`);
  }
});

it('most cases can be stored, and were asked', () => {
  expect(asked).toBeGreaterThan(900);
});
