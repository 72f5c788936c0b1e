import { OpenFeature } from '@openfeature/server-sdk';

import { PennonProvider } from '../../src/index.ts';

/** Starts a provider, evaluates a flag, closes the provider and prints what keeps the process alive. */
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
// Connections that were ended need a few turns of the event loop to close.
for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => void setImmediate(resolve));
print(`active ${process.getActiveResourcesInfo().join()}`);
