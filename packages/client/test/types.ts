/**
 * Code that must compile and, after `@ts-expect-error`, code that must not. Nothing here runs. It is
 * checked with the sources, and again with the published package in a project without the server.
 */
import { OpenFeature as ServerFeature } from '@openfeature/server-sdk';
import { OpenFeature as WebFeature } from '@openfeature/web-sdk';
import type { ApiInputs, ApiOutputs, ErrorCode } from '@pennon/client';
import { createApiClient, isApiError } from '@pennon/client';
import { defineFlags } from '@pennon/client/flags';

/* oxlint-disable typescript/no-unnecessary-type-parameters -- `T` makes the comparison of two types exact */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._same: Same<A, B> extends true ? [] : ['these types differ']): void => {};

const api = createApiClient({ url: 'http://127.0.0.1:4400', key: 'a-key' });
const environment = 'production';

export const queries = async (): Promise<void> => {
  const page = await api.flags.list.query({ environment, enabled: true, type: 'string' });
  same<typeof page.nextCursor, string | null>();
  const flag = page.items.at(0);
  same<typeof flag, ApiOutputs['flags']['list']['items'][number] | undefined>();
  if (flag !== undefined) {
    same<typeof flag.type, 'boolean' | 'string' | 'number' | 'object'>();
    same<typeof flag.defaultVariant, string | null>();
  }

  // @ts-expect-error: no such type of flag
  await api.flags.list.query({ environment, type: 'list' });
  // @ts-expect-error: text is never a boolean
  await api.flags.list.query({ environment, enabled: 'true' });
  // @ts-expect-error: no such field
  await api.flags.list.query({ environment, order: 'name' });
  // @ts-expect-error: the key is missing
  await api.flags.get.query({ environment });
  // @ts-expect-error: no such resource
  await api.toggles.list.query({ environment });
  // @ts-expect-error: a query does not mutate
  await api.flags.list.mutate({ environment });
};

export const mutations = async (): Promise<void> => {
  const flag = await api.flags.create.mutate({
    environment,
    key: 'new-checkout',
    enabled: true,
    rules: [{ attribute: 'plan', operator: 'equals', value: 'pro', percentage: 50 }],
  });
  same<typeof flag.version, number>();
  same<typeof flag.etag, string>();

  // @ts-expect-error: no such operator
  const operator: NonNullable<ApiInputs['flags']['create']['rules']>[number]['operator'] = 'is';
  // @ts-expect-error: enabled is required
  await api.flags.create.mutate({ environment, key: 'new-checkout', rules: [{ operator }] });

  const evaluation = await api.evaluation.evaluate.mutate({
    environment,
    flagKey: 'a',
    context: {},
  });
  // @ts-expect-error: a flag may serve no variant, and then there is no value
  same<typeof evaluation.value, unknown>();
  if ('variant' in evaluation) same<typeof evaluation.variant, string>();

  const key = await api.keys.create.mutate({ name: 'page', role: 'client', environment });
  same<typeof key.secret, string>();
  // @ts-expect-error: no such role
  await api.keys.create.mutate({ name: 'page', role: 'owner', environment });
};

export const watches = (): void => {
  api.flags.watch.subscribe(
    { environment },
    {
      onData({ id, data }) {
        same<typeof id, string>();
        if (data.event === 'set') same<typeof data.flagSet.revision, number>();
        else same<typeof data.change.previous, string>();
      },
    },
  );
  api.evaluation.watch.subscribe(
    { context: { targetingKey: 'ada' } },
    {
      onData({ data }) {
        same<typeof data.revision, number>();
        const evaluation = data.evaluations['new-checkout'] ?? null;
        if (evaluation?.reason === 'SPLIT') same<typeof evaluation.variant, string>();
      },
    },
  );
  // @ts-expect-error: a context is an object
  api.evaluation.watch.subscribe({ context: 'ada' }, {});
};

export const errors = (error: unknown): ErrorCode | undefined => {
  if (isApiError(error, 'NOT_FOUND', 'CONFLICT')) {
    same<typeof error.data.error.code, 'NOT_FOUND' | 'CONFLICT'>();
    same<typeof error.data.error.message, string>();
    return error.data.error.code;
  }
  // @ts-expect-error: no such code
  if (isApiError(error, 'LOST')) return undefined;
  if (!isApiError(error)) return undefined;
  same<typeof error.data.error.code, ErrorCode>();
  // @ts-expect-error: no such code
  if (error.data.error.code === 'LOST') return undefined;
  return error.data.error.code;
};

const flags = defineFlags({
  'new-checkout': {},
  dark: { type: 'boolean', variants: { yes: true, no: false } },
  theme: { type: 'string', variants: { dark: '#111', light: '#eee' } },
  limit: { type: 'number', variants: { small: 10, large: 50 } },
  banner: { type: 'object', variants: { spring: { text: 'Hello' }, none: {} } },
});

// @ts-expect-error: a string flag has string variants
defineFlags({ theme: { type: 'string', variants: { dark: 1 } } });
// @ts-expect-error: no such type
defineFlags({ theme: { type: 'colour', variants: {} } });
// @ts-expect-error: a number flag needs variants
defineFlags({ limit: { type: 'number' } });

export const serverClient = async (): Promise<void> => {
  const client = flags.typed(ServerFeature.getClient());
  const checkout = await client.getBooleanValue('new-checkout', false, { targetingKey: 'ada' });
  same<typeof checkout, boolean>();

  const theme = await client.getStringValue('theme', '#eee');
  same<typeof theme, '#111' | '#eee'>();
  const other = await client.getStringValue('theme', 'none');
  same<typeof other, '#111' | '#eee' | 'none'>();
  const limit = await client.getNumberValue('limit', 10);
  same<typeof limit, 10 | 50>();
  const details = await client.getStringDetails('theme', '#eee');
  same<typeof details.variant, 'dark' | 'light' | undefined>();
  same<typeof details.value, '#111' | '#eee'>();
  same<typeof details.flagKey, 'theme'>();
  const plain = await client.getBooleanDetails('new-checkout', false);
  same<typeof plain.variant, 'on' | 'off' | undefined>();
  const banner = await client.getObjectValue('banner', {});
  if ('text' in banner) same<typeof banner.text, 'Hello'>();
  client.addHooks();

  // @ts-expect-error: misspelt
  await client.getBooleanValue('new-chekout', false);
  // @ts-expect-error: another type
  await client.getBooleanValue('theme', false);
  // @ts-expect-error: the default has another type
  await client.getNumberValue('limit', '10');
  // @ts-expect-error: no such variant
  if (details.variant === 'drak') return;
};

export const webClient = (): void => {
  const client = flags.typed(WebFeature.getClient());
  const theme = client.getStringValue('theme', '#eee');
  same<typeof theme, '#111' | '#eee'>();
  const { variant } = client.getBooleanDetails('dark', true);
  same<typeof variant, 'yes' | 'no' | undefined>();
  // @ts-expect-error: misspelt
  client.getStringValue('tehme', '#eee');
  // @ts-expect-error: another type
  client.getObjectDetails('theme', {});
};
