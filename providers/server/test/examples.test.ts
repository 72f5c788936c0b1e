import { OpenFeature } from '@openfeature/server-sdk';
import { expect, it, vi } from 'vitest';

import {
  readExamples,
  readmeExample,
  runExample,
} from '../../../packages/sync/test/support/examples.ts';

const directory = new URL('..', import.meta.url).pathname;

it('the examples of docs/testing.md run', async () => {
  const examples = readExamples('server');
  expect(examples.length).toBeGreaterThan(0);
  // oxlint-disable-next-line no-await-in-loop -- each example sets the provider of the process
  for (const example of examples) await runExample(example, directory);
});

it('the first example of the README survives a server that is down', async () => {
  const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  await runExample(readmeExample(directory), directory);
  expect(logged).toHaveBeenCalledWith(
    expect.stringMatching(/^no (flags|values) yet:$/),
    expect.any(Error),
  );
  await OpenFeature.close();
});
