import { OpenFeature } from '@openfeature/server-sdk';

import { PennonProvider } from '../../src/index.ts';

/** A program that starts a provider, asks it, closes it and has nothing else to do: it must end by itself. */
const options = JSON.parse(process.argv[2] ?? '{}');
const say = (text: string) => void process.stdout.write(`${text}\n`);

await OpenFeature.setProviderAndWait(new PennonProvider(options)).then(
  () => say('started'),
  (error: unknown) => say(`failed: ${String(error)}`),
);
say(
  `value ${await OpenFeature.getClient().getBooleanValue('live', false, { targetingKey: 'ada' })}`,
);
await OpenFeature.close();
say(`closed at ${Date.now()}`);
