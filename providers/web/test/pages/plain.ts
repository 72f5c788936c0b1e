/** A page without a framework, which shows flags and records the events of its client. */
import type { EvaluationContext } from '@openfeature/web-sdk';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';

import type { PennonWebProviderOptions } from '../../src/index.ts';
import { PennonWebProvider } from '../../src/index.ts';
import type { EmittedEvent, PlainPage } from './plain-page.ts';

const client = OpenFeature.getClient();
const emitted: EmittedEvent[] = [];
const violations: string[] = [];

document.addEventListener('securitypolicyviolation', event => violations.push(event.blockedURI));

const paint = () => {
  for (const element of document.querySelectorAll<HTMLElement>('[data-flag]')) {
    element.textContent = client.getStringValue(element.dataset['flag'] ?? '', 'the default');
  }
};

for (const event of Object.values(ProviderEvents)) {
  client.addHandler(event, details => {
    const { flagsChanged } = { flagsChanged: undefined, ...details };
    emitted.push({ event, ...(flagsChanged && { flagsChanged }) });
    paint();
  });
}

const providers = new Map<string, PennonWebProvider>();

const startIn = (
  domain: string,
  options: PennonWebProviderOptions,
  context: EvaluationContext,
): Promise<void> => {
  const provider = new PennonWebProvider(options);
  providers.set(domain, provider);
  return OpenFeature.setProviderAndWait(domain, provider, context);
};

let pageProvider: PennonWebProvider | undefined;

const page: PlainPage = {
  emitted,
  violations,
  start: (options: PennonWebProviderOptions, context: EvaluationContext) => {
    pageProvider = new PennonWebProvider(options);
    return OpenFeature.setProviderAndWait(pageProvider, context).catch(() => undefined);
  },
  setContext: context => OpenFeature.setContext(context),
  valueOf: key => client.getStringValue(key, 'the default'),
  mode: () => pageProvider?.freshness().mode,
  lastError: () => pageProvider?.freshness().lastError?.message,
  status: () => client.providerStatus,
  close: () => OpenFeature.close(),
  track: (name, details) => client.track(name, details),
  flush: async () => pageProvider?.flush(),
  async startAll({ context, ...options }, domains) {
    const start = (domain: string) => startIn(domain, options, context ?? { targetingKey: domain });
    await Promise.all(domains.map(start));
  },
  async loadCopy() {
    const script = '/page.js?copy';
    await import(script);
    Object.assign(globalThis, { pennon: { ...page, copy: pennon } });
  },
  overview: key =>
    Array.from(providers, ([domain, provider]) => {
      const inDomain = OpenFeature.getClient(domain);
      const value = inDomain.getStringValue(key, 'the default');
      return `${inDomain.providerStatus} ${provider.freshness().mode} ${value}`;
    }),
};

Object.assign(globalThis, { pennon: page });
paint();
