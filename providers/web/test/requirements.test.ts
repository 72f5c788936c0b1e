import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

/**
 * The requirements of OpenFeature's specification (0.9) that bind a provider, each beside the test that
 * shows it. Those that it leaves open and that we leave out are told with the reason.
 */
const REQUIREMENTS: readonly (readonly [number: string, shownBy: string])[] = [
  ['2.1.1', 'names itself, and where it runs'],
  ['2.2.1', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.2.1', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.3', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.4', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.5', 'of a flag that serves nothing is the default, with the reason and no error'],
  ['2.2.6', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.7', 'of another type than the flag is the default and TYPE_MISMATCH'],
  ['2.2.8.1', 'has the value, its variant and the reason of each type of flag, and no error'],
  ['2.2.9', 'has the metadata of its flag: texts, numbers and booleans'],
  ['2.2.10', 'has the metadata of its flag: texts, numbers and booleans'],
  ['2.3.2', 'of a flag that serves nothing is the default, with the reason and no error'],
  ['2.3.3', 'of a flag that the server could not decide is the default and says why'],
  ['2.4.1', 'the provider is ready with the values of its context, and READY is told once'],
  ['2.4.2.1', 'waits no longer than 2 s for a server that says nothing'],
  ['2.5.1', 'leaves no timer, no connection and no values, however often it is told'],
  ['2.5.2', 'leaves no timer, no connection and no values, however often it is told'],
  ['2.5.3', 'leaves no timer, no connection and no values, however often it is told'],
  ['2.6.1', 'is reconciled with the values of the new context'],
  // The SDKs of today emit on behalf of a provider whatever follows from its methods; ours emits the rest.
  ['2.8.1', 'STALE is told once the server is lost, and READY when it is back'],
  ['2.8.2', 'the provider is ready with the values of its context, and READY is told once'],
  ['2.8.3', 'waits no longer than 2 s for a server that says nothing'],
  ['2.8.4', 'is reconciled with the values of the new context'],
  ['5.1.1', 'are resolved at once and told with exactly the flags that changed, removed ones too'],
  ['5.1.2', 'are resolved at once and told with exactly the flags that changed, removed ones too'],
  ['5.1.3', 'are told to nobody who listens to another provider'],
  ['5.1.4', 'waits no longer than 2 s for a server that says nothing'],
  ['5.3.1', 'a provider that failed becomes ready when the server answers after all'],
  ['5.3.2', 'waits no longer than 2 s for a server that says nothing'],
  ['5.3.4.1', 'is reconciled with the values of the new context'],
  ['5.3.4.2', 'is not over for the first of two while the second has no answer'],
  ['5.3.4.3', 'of the subject never serves the values of another, also where the server is away'],
];

/** Open to a provider, and why ours does without. */
const LEFT_OUT = {
  '2.3.1': 'it needs no hooks of its own',
  '2.4.3': 'an instance keeps nothing that belongs to a domain',
  '2.4.4': 'an instance keeps nothing that belongs to a domain',
  '2.7.1': 'the server records no tracking events yet',
  '5.1.5': 'the SDK says PROVIDER_ERROR on its behalf, when a promise rejects with such a code',
} as const;

const folder = new URL('./', import.meta.url);
const tests = readdirSync(folder)
  .filter(name => name.endsWith('.test.ts') && name !== 'requirements.test.ts')
  .map(name => readFileSync(new URL(name, folder), 'utf8'))
  .join('');

it.each(REQUIREMENTS)('requirement %s is shown by a test that exists: %s', (_, shownBy) => {
  expect(tests).toContain(`it('${shownBy}'`);
});

const required: readonly { readonly id: string }[] = JSON.parse(
  readFileSync(new URL('../../server/test/requirements.json', import.meta.url), 'utf8'),
);

it('nothing that the specification requires of a provider and its events is passed over', () => {
  const told = new Set([...REQUIREMENTS.map(([number]) => number), ...Object.keys(LEFT_OUT)]);
  expect(required.map(({ id }) => id).filter(id => !told.has(id))).toEqual([]);
});
