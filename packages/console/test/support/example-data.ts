import type { TestServer } from '../../../../server/test/support/server.ts';
import type { ShiftedClock } from '../../../../server/test/support/shifted-clock.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** As long as servers keep counts of hours. */
const HOURS = 24 * 14;

const ENVIRONMENTS = [
  { key: 'development', color: 'green', order: 1 },
  { key: 'staging', color: 'blue', order: 2 },
  { key: 'canary', color: 'orange', order: 3 },
  { key: 'production', color: 'red', order: 4, confirm: true },
];

const PLAN = { attribute: 'plan', operator: 'in', value: ['pro', 'team'] };
const GERMANY = { attribute: 'country', operator: 'in', value: ['DE', 'AT'] };

type FlagOptions = {
  readonly variants?: Readonly<Record<string, unknown>>;
  readonly [name: string]: unknown;
};

type Example = readonly [
  key: string,
  name: string,
  owner: string,
  tags: string[],
  fields?: FlagOptions,
];

const split = (...entries: (readonly [variant: string, weight: number])[]) =>
  entries.map(([variant, weight]) => ({ variant, weight }));

const FLAGS: readonly Example[] = [
  [
    'new-checkout',
    'Checkout on one page',
    'ada',
    ['checkout', 'web'],
    {
      description: 'One page for address, delivery and payment.',
      rules: [
        { id: 'staff', conditions: [{ segment: 'staff' }], variant: 'on' },
        { id: 'plans', conditions: [PLAN, GERMANY], percentage: 25, variant: 'on' },
        { id: 'half', conditions: [], split: split(['on', 10], ['off', 90]) },
      ],
    },
  ],
  [
    'checkout-button',
    'Text of the button in the checkout',
    'ada',
    ['checkout', 'experiment'],
    {
      type: 'string',
      variants: { buy: 'Buy now', order: 'Place the order', pay: 'Pay' },
      defaultVariant: 'buy',
      rules: [{ id: 'a', conditions: [], split: split(['buy', 1], ['order', 1], ['pay', 1]) }],
    },
  ],
  [
    'search-ranking',
    'Weights of the ranking',
    'grace',
    ['search'],
    {
      type: 'object',
      variants: {
        classic: { title: 3, body: 1, recency: 0 },
        fresh: { title: 2, body: 1, recency: 2.5, boost: ['news', 'guides'] },
      },
      defaultVariant: 'classic',
      rules: [{ id: 'b', conditions: [PLAN], variant: 'fresh' }],
    },
  ],
  ['search-suggestions', 'Suggestions while typing', 'grace', ['search', 'web']],
  [
    'upload-limit',
    'Size of uploads in MB',
    'linus',
    ['limits'],
    {
      type: 'number',
      variants: { small: 10, large: 250 },
      defaultVariant: 'small',
      rules: [{ id: 'c', conditions: [PLAN], variant: 'large' }],
    },
  ],
  ['dark-mode', 'Dark appearance', 'margaret', ['web', 'mobile']],
  ['express-delivery', 'Delivery on the same day', 'ada', ['checkout']],
  ['gift-cards', 'Gift cards', 'ada', ['checkout']],
  ['invoice-pdf', 'Invoices as PDF', 'katherine', ['billing']],
  ['payment-retries', 'Retries of failed payments', 'katherine', ['billing', 'ops']],
  ['price-in-currency', 'Prices in the currency of the customer', 'katherine', ['billing']],
  ['read-replicas', 'Reads from replicas', 'linus', ['ops']],
  ['image-proxy', 'Images in modern formats', 'linus', ['ops', 'web']],
  ['rate-limit-api', 'Limit of the public API', 'linus', ['limits', 'ops']],
  ['passkeys', 'Sign in with passkeys', 'margaret', ['security']],
  ['session-renewal', 'Longer sessions', 'margaret', ['security']],
  ['audit-export', 'Export of the audit log', 'margaret', ['security']],
  ['onboarding-tour', 'A tour for new people', 'grace', ['web']],
  ['push-messages', 'Push messages', 'joan', ['mobile']],
  ['offline-maps', 'Maps without a network', 'joan', ['mobile']],
];

const AREAS = ['billing', 'search', 'mobile', 'web', 'ops'];
const OWNERS = ['ada', 'grace', 'joan', 'katherine', 'linus', 'margaret'];

/** Flags as a service has after some years. */
const more = (number: number): Example => {
  const area = AREAS[number % AREAS.length] ?? '';
  const owner = OWNERS[number % OWNERS.length] ?? '';
  return [`old-${area}-${100 + number}`, `Change ${100 + number} of ${area}`, owner, [area]];
};

type Sent = { readonly body: object; readonly key?: string; readonly comment?: string };

const send = async (
  server: TestServer,
  method: 'POST' | 'PATCH' | 'PUT',
  path: string,
  { body, key, comment }: Sent,
): Promise<void> => {
  const { status, text } = await server.request(method, `/api/v1${path}`, {
    body,
    ...(key !== undefined && { key }),
    headers: comment === undefined ? {} : { 'x-change-comment': comment },
  });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
};

const createEnvironments = async (server: TestServer): Promise<void> => {
  for (const { key, ...fields } of ENVIRONMENTS) {
    const isThere = key === 'development' || key === 'production';
    if (!isThere) await send(server, 'POST', '/environments', { body: { key } });
    await send(server, 'PATCH', `/environments/${key}`, { body: fields });
  }
};

const createSegments = async (server: TestServer): Promise<void> => {
  const staff = { attribute: 'email', operator: 'endsWith', value: '@example.com' };
  for (const { key } of ENVIRONMENTS) {
    const path = `/segments?environment=${key}`;
    await send(server, 'POST', path, {
      body: { key: 'staff', name: 'Staff', conditions: [staff] },
    });
    await send(server, 'POST', path, {
      body: { key: 'paying', name: 'Paying plans', conditions: [PLAN] },
    });
  }
};

const createFlags = async (server: TestServer, count: number): Promise<void> => {
  const others = Array.from({ length: count - FLAGS.length }, (_, number) => more(number));
  for (const [index, [key, name, owner, tags, fields]] of [...FLAGS, ...others].entries())
    for (const [place, environment] of ENVIRONMENTS.entries()) {
      const isThere = place < 2 || index < FLAGS.length || (index * 7) % 5 > 1;
      if (!isThere) continue;
      const enabled = index < 3 || (index * 5) % 7 > place;
      const body = { key, name, owner, tags, enabled, ...fields };
      await send(server, 'POST', `/flags?environment=${environment.key}`, { body });
    }
};

const CONTEXTS = [
  { key: 'ada', name: 'Ada, pro', context: { targetingKey: 'ada', plan: 'pro', country: 'DE' } },
  { key: 'tim', name: 'Tim, free', context: { targetingKey: 'tim', plan: 'free', country: 'FR' } },
  {
    key: 'grace',
    name: 'Grace, staff',
    context: { targetingKey: 'grace', email: 'grace@example.com', plan: 'team' },
  },
];

const createContexts = async (server: TestServer): Promise<void> => {
  for (const { key, ...body } of CONTEXTS)
    await send(server, 'PUT', `/contexts/${key}?environment=production`, { body });
};

/** Evaluations of a flag in an hour, with a day and a night. */
const evaluations = (index: number, hour: number): number => {
  const day = 1 + Math.sin((2 * Math.PI * (hour - 8)) / 24);
  return Math.round((9_000 / (index + 1)) * (0.3 + day) * (1 + ((hour * 7 + index * 3) % 11) / 40));
};

type Count = readonly [flag: string, variant: string, reason: string, count: number];

const countsOf = ([key, , , , fields = {}]: Example, total: number): readonly Count[] => {
  const variants = Object.keys(fields.variants ?? { off: 0, on: 0 });
  const sum = (variants.length * (variants.length + 1)) / 2;
  return variants.map((variant, index) => {
    const count = Math.max(1, Math.round((total * (index + 1)) / sum));
    return [key, variant, index === 0 ? 'DEFAULT' : 'TARGETING_MATCH', count];
  });
};

const reportHour = (server: TestServer, key: string, at: number, hour: number): Promise<void> =>
  send(server, 'POST', '/usage?environment=production', {
    key,
    body: {
      instance: 'cGljdHVyZXMtb2YtZG9jcw',
      sdk: 'example',
      sequence: hour + 1,
      from: new Date(at - MINUTE_MS).toISOString(),
      until: new Date(at).toISOString(),
      counts: FLAGS.flatMap((flag, index) => countsOf(flag, evaluations(index, hour))),
    },
  });

const CHANGES: readonly (readonly [hoursAgo: number, percentage: number, comment: string])[] = [
  [120, 10, 'Only a few errors in canary'],
  [72, 15, 'Conversion is up'],
  [30, 25, 'A quarter of the paying plans'],
];

/**
 * Fills a server with the flags of a shop, two weeks of evaluations, and some changes. The same at each call, except for
 * the time.
 */
export const createExampleData = async (
  server: TestServer,
  { clock, setBehind }: ShiftedClock,
  flags = 60,
): Promise<void> => {
  setBehind(HOURS * HOUR_MS);
  await createEnvironments(server);
  await createSegments(server);
  await createFlags(server, flags);
  await createContexts(server);
  const key = await server.keyOf('server');
  for (let hour = 0; hour < HOURS; hour += 1) {
    const hoursAgo = HOURS - 1 - hour;
    setBehind(hoursAgo * HOUR_MS);
    await reportHour(server, key, clock.now(), hour);
    const change = CHANGES.find(([at]) => at === hoursAgo);
    if (change === undefined) continue;
    const [, percentage, comment] = change;
    const path = '/flags/new-checkout/rules/plans?environment=production';
    await send(server, 'PATCH', path, { body: { percentage }, comment });
  }
};
