import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Prints what is loaded in addition to the SDK by importing the provider, or by evaluating flags with it. */
await import('@openfeature/server-sdk');

const loaded = new Set<string>();
const nameOf = (url: string): string =>
  url.startsWith('node:')
    ? url
    : (/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? 'ours');

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    loaded.add(nameOf(found.url));
    return found;
  },
});

const { PennonProvider } = await import('../../src/index.ts');

const condition = (scenario: string) => ({
  attribute: 'mail',
  operator: scenario === 'plain flags' ? 'contains' : 'matches',
  value: '@example.com',
});

const evaluateFlags = async (scenario: string): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-loaded-'));
  const offlineFile = join(directory, 'flags.json');
  const flags = { staff: { enabled: true, rules: [{ conditions: [condition(scenario)] }] } };
  writeFileSync(offlineFile, JSON.stringify({ flags }));
  const provider = new PennonProvider({ offlineFile });
  await provider.initialize();
  const { enabled } = provider.evaluate('staff', { mail: 'ada@example.com' });
  if (!enabled) throw new Error('the flag is not enabled');
  await provider.onClose();
  rmSync(directory, { recursive: true });
};

const scenario = process.argv[2] ?? '';
if (scenario !== 'import') await evaluateFlags(scenario);

const expected = new Set(['ours', '@openfeature/server-sdk', '@openfeature/core']);
const others = [...loaded].filter(name => !expected.has(name)).toSorted();
process.stdout.write(JSON.stringify(others));
