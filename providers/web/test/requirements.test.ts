import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

/** The requirements of the OpenFeature specification (0.9) for providers, each with the test that covers it. */
const REQUIREMENTS: readonly (readonly [number: string, coveredBy: string])[] = [
  ['2.1.1', 'has a name and runs on the client'],
  ['2.2.1', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.2.1', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.3', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.4', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.5', 'of a flag that serves no variant is the default, with the reason and no error'],
  ['2.2.6', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.7', 'with the wrong type is the default, with the error TYPE_MISMATCH'],
  ['2.2.8.1', 'has the value, the variant and the reason for each type of flag, and no error'],
  ['2.2.9', 'has the metadata of its flag: strings, numbers and booleans'],
  ['2.2.10', 'has the metadata of its flag: strings, numbers and booleans'],
  ['2.3.2', 'of a flag that serves no variant is the default, with the reason and no error'],
  [
    '2.3.3',
    'of a flag that the server could not evaluate is the default, with the error of the server',
  ],
  ['2.4.1', 'makes the provider ready with the values of its context, and emits READY once'],
  ['2.4.2.1', 'waits no longer than 2 s for a server that does not respond'],
  ['2.4.3', 'cannot share an instance, whose values are those of one context'],
  [
    '2.4.4',
    'keeps the values of each domain, so two providers for two subjects do not overwrite them',
  ],
  ['2.5.1', 'leaves no timer, no connection and no values, even if it is repeated'],
  ['2.5.2', 'leaves no timer, no connection and no values, even if it is repeated'],
  ['2.5.3', 'leaves no timer, no connection and no values, even if it is repeated'],
  ['2.6.1', 'is reconciled with the values of the new context'],
  ['2.7.1', 'a tracked event has its value, attributes and units, if it is measured'],
  // Current SDKs emit the events that follow from a provider's methods. The provider emits the others.
  ['2.8.1', 'emits STALE when the server is lost, and READY when it is back'],
  ['2.8.2', 'makes the provider ready with the values of its context, and emits READY once'],
  ['2.8.3', 'waits no longer than 2 s for a server that does not respond'],
  ['2.8.4', 'is reconciled with the values of the new context'],
  [
    '5.1.1',
    'apply at once and are emitted with exactly the flags that changed, including removed ones',
  ],
  [
    '5.1.2',
    'apply at once and are emitted with exactly the flags that changed, including removed ones',
  ],
  ['5.1.3', 'are not emitted to the handlers of another provider'],
  ['5.1.4', 'waits no longer than 2 s for a server that does not respond'],
  ['5.3.1', 'that failed is made up for when the server responds later'],
  ['5.3.2', 'waits no longer than 2 s for a server that does not respond'],
  ['5.3.4.1', 'is reconciled with the values of the new context'],
  ['5.3.4.2', 'does not complete before a later one that was made in the meantime'],
  [
    '5.3.4.3',
    'to another subject never serves the values of the previous one, even if the server is away',
  ],
];

/** Optional requirements that this provider does not implement, with the reason. */
const OMITTED = {
  '2.3.1': 'it needs no hooks',
  '5.1.5': 'the SDK emits PROVIDER_ERROR when a promise rejects with such a code',
} as const;

const folder = new URL('./', import.meta.url);
const tests = readdirSync(folder)
  .filter(name => name.endsWith('.test.ts') && name !== 'requirements.test.ts')
  .map(name => readFileSync(new URL(name, folder), 'utf8'))
  .join('');

it.each(REQUIREMENTS)('requirement %s is covered by an existing test: %s', (_, coveredBy) => {
  expect(tests).toContain(`it('${coveredBy}'`);
});

const required: readonly { readonly id: string }[] = JSON.parse(
  readFileSync(new URL('../../server/test/requirements.json', import.meta.url), 'utf8'),
);

it('every requirement for providers and their events is in the list', () => {
  const listed = new Set([...REQUIREMENTS.map(([number]) => number), ...Object.keys(OMITTED)]);
  expect(required.map(({ id }) => id).filter(id => !listed.has(id))).toEqual([]);
});
