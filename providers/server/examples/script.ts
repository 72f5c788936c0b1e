/**
 * Evaluates one flag for one user.
 *
 * PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… node script.ts ada
 */
import { OpenFeature } from '@openfeature/server-sdk';
import { PennonProvider } from '@pennon/server-provider';

const [, , user = 'ada'] = process.argv;

try {
  await OpenFeature.setProviderAndWait(new PennonProvider());
} catch (error) {
  console.error('no flags, so the default value applies:', error);
}
const client = OpenFeature.getClient();
const context = { targetingKey: user, plan: 'pro' };
const { value, reason } = await client.getBooleanDetails('new-checkout', false, context);
console.log(`new-checkout is ${value ? 'on' : 'off'} (${reason})`);
await OpenFeature.close();
