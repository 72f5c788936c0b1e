/** An HTTP service with two versions of a page. PENNON_URL and PENNON_KEY configure the flags. */
import { createServer } from 'node:http';

import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { PennonProvider } from '@pennon/server-provider';

// The service starts with default values if there are no flags yet, and uses flags once they arrive.
const provider = new PennonProvider({ cacheFile: process.env['PENNON_CACHE_FILE'] });
await OpenFeature.setProviderAndWait(provider).catch((error: unknown) => {
  console.error('no flags yet:', error);
});
const flags = OpenFeature.getClient();

flags.addHandler(ProviderEvents.ConfigurationChanged, details => {
  console.log('changed flags:', details?.flagsChanged?.join(', '));
});

const server = createServer(async (request, response) => {
  const user = new URL(request.url ?? '/', 'http://localhost').searchParams.get('user') ?? 'guest';
  const context = { targetingKey: user, plan: user === 'guest' ? 'free' : 'pro' };
  const isNew = await flags.getBooleanValue('new-checkout', false, context);
  response.end(isNew ? 'new checkout' : 'old checkout');
});
server.listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  console.log('listening on', server.address());
});

process.once('SIGTERM', async () => {
  server.close();
  await OpenFeature.close();
});
