import type { FlagServer } from './flag-server.ts';

const QUERY = 'environment=production';

/** Creates the flag `checkout`, and starts the experiment `checkout-2`, which measures the event `bought`. */
export const startExperiment = async (server: FlagServer): Promise<void> => {
  await server.putFlag('checkout', {
    type: 'string',
    variants: { old: 'Old', new: 'New' },
    defaultVariant: 'old',
    clientVisible: true,
    rules: [{ id: 'test', split: ['old', 'new'].map(variant => ({ variant, weight: 1 })) }],
  });
  const metric = { key: 'bought', kind: 'conversion', event: 'bought', window: { toMs: 60_000 } };
  await server.api('POST', `metrics?${QUERY}`, metric);
  await server.api('POST', `experiments?${QUERY}`, {
    key: 'checkout-2',
    flag: 'checkout',
    rule: 'test',
    control: 'old',
    metrics: [{ metric: 'bought', role: 'primary' }],
  });
  await server.api('POST', `experiments/checkout-2/start?${QUERY}`);
};

/** Returns the names of the events in the log of the server, sorted: `exposure`, or that of a tracking event. */
export const loggedEvents = async (server: FlagServer): Promise<string[]> => {
  const response = await fetch(`${server.url()}/api/v1/events/export?${QUERY}`, {
    headers: { authorization: `Bearer ${server.adminKey}` },
  });
  const lines = (await response.text()).trim().split('\n');
  const names: string[] = lines
    .map(line => JSON.parse(line))
    .flatMap(({ type, name = type }) => name ?? []);
  return names.toSorted((a, b) => a.localeCompare(b));
};
