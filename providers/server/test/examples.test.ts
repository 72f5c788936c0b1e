import { expect, it } from 'vitest';

import { readExamples, runExample } from '../../../packages/sync/test/support/examples.ts';

const directory = new URL('..', import.meta.url).pathname;

it('the examples of docs/testing.md run', async () => {
  const examples = readExamples('server');
  expect(examples.length).toBeGreaterThan(0);
  // oxlint-disable-next-line no-await-in-loop -- each example sets the provider of the process
  for (const example of examples) await runExample(example, directory);
});
