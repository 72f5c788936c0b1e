/** Evaluates several flags of one revision, without promises. */
import { OpenFeature } from '@openfeature/server-sdk';
import { PennonProvider } from '@pennon/server-provider';

const provider = new PennonProvider();
await OpenFeature.setProviderAndWait(provider).catch((error: unknown) => {
  console.error('no flags yet:', error);
});

const context = { targetingKey: 'ada', plan: 'pro' };
const result = provider.evaluate('new-checkout', context);
console.log('value' in result ? result.value : 'no value', result.reason);

const snapshot = provider.snapshot();
console.log(snapshot.revision, snapshot.evaluateAll(context));
await OpenFeature.close();
