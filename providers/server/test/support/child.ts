import { OpenFeature } from '@openfeature/server-sdk';

import { PennonProvider } from '../../src/index.ts';

/** Starts a provider, evaluates a flag and closes the provider. The process must then exit by itself. */
const options = JSON.parse(process.argv[2] ?? '{}');
const print = (text: string) => void process.stdout.write(`${text}\n`);

await OpenFeature.setProviderAndWait(new PennonProvider(options)).then(
  () => print('started'),
  (error: unknown) => print(`failed: ${String(error)}`),
);
print(
  `value ${await OpenFeature.getClient().getBooleanValue('live', false, { targetingKey: 'ada' })}`,
);
await OpenFeature.close();
print(`closed at ${Date.now()}`);
