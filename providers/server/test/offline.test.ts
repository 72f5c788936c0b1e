import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { eventually } from '../../../packages/sync/test/support/patience.ts';
import { createFakeRuntime } from '../../../packages/sync/test/support/fake-runtime.ts';
import { PennonProvider } from '../src/index.ts';
import { booleanFlag } from './support/flags.ts';
import { openProvider } from './support/open.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pennon-offline-'));
  path = join(directory, 'flags.json');
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

const flagSet = (on: boolean) =>
  JSON.stringify({
    formatVersion: 1,
    environment: 'staging',
    id: 'x',
    revision: 5,
    flags: { f: booleanFlag('f', on) },
    segments: {},
  });

const withRevision = (revision: number) =>
  flagSet(true).replace('"revision":5', `"revision":${revision}`);

const open = (offlineFile = path, bootstrap?: object) => {
  const runtime = createFakeRuntime();
  const opened = openProvider(new PennonProvider({ offlineFile, bootstrap }, runtime));
  /** Advances the fake time between checks for edits, until the real file has taken effect. */
  const waitUntil = (assertion: () => Promise<void> | void) =>
    eventually(async () => {
      await runtime.advance(1_000);
      await assertion();
    });
  return { ...opened, runtime, waitUntil };
};

describe('an offline file', () => {
  it('in the format of the server is used as it is, without any network', async () => {
    await writeFile(path, flagSet(true));
    const { client, started, provider, runtime } = open();
    expect(await started).toBe('ok');
    expect(await client.getBooleanDetails('f', false)).toMatchObject({
      value: true,
      flagMetadata: { version: 1, flagSetId: 'staging' },
    });
    expect(provider.freshness()).toMatchObject({
      mode: 'file',
      source: 'offlineFile',
      revision: 5,
    });
    expect(runtime.pending).toHaveLength(0);
  });

  it('can contain flags in the short form, in JSON', async () => {
    await writeFile(
      path,
      '{"flags":{"f":{"enabled":true},"g":{"enabled":true,"rules":[{"attribute":"plan","operator":"equals","value":"pro"}]}}}',
    );
    const { client, started } = open();
    expect(await started).toBe('ok');
    expect(await client.getBooleanDetails('f', false)).toMatchObject({
      value: true,
      flagMetadata: {},
    });
    expect(await client.getBooleanValue('g', true)).toBe(false);
    expect(await client.getBooleanValue('g', false, { plan: 'pro' })).toBe(true);
  });

  it('can start with a byte order mark', async () => {
    await writeFile(path, `\uFEFF${flagSet(true)}`);
    expect(await open().started).toBe('ok');
  });

  it('is waited for without a limit if `initTimeoutMs` is Infinity', async () => {
    await writeFile(path, flagSet(true));
    const provider = new PennonProvider({ offlineFile: path, initTimeoutMs: Infinity });
    expect(await openProvider(provider).started).toBe('ok');
  });

  it.each(['flags.yaml', 'flags.YML'])('can be YAML: %s', async name => {
    const yaml = [
      'segments:',
      '  insiders:',
      '    conditions:',
      '      - { attribute: email, operator: endsWith, value: "@example.com" }',
      'flags:',
      '  banner:',
      '    type: string',
      '    enabled: true',
      '    variants: { plain: hello, warm: welcome back }',
      '    defaultVariant: plain',
      '    rules:',
      '      - conditions: [{ segment: insiders }]',
      '        variant: warm',
    ].join('\n');
    await writeFile(join(directory, name), yaml);
    const { client, started } = open(join(directory, name));
    expect(await started).toBe('ok');
    expect(await client.getStringValue('banner', '')).toBe('hello');
    expect(await client.getStringValue('banner', '', { email: 'a@example.com' })).toBe(
      'welcome back',
    );
  });

  it.each([
    ['flags.json', '{"flags": {"f": {"enabled": true, "metadata": {"id": 9007199254740993}}}}'],
    ['flags.yaml', 'flags:\n  f: { enabled: true, metadata: { id: 9007199254740993 } }'],
    ['flags.yaml', 'flags:\n  f: { enabled: true, metadata: { id: 9007199254740993.0 } }'],
  ])('is refused if a number in %s would become another one', async (name, text) => {
    await writeFile(join(directory, name), text);
    expect(await open(join(directory, name)).started).toMatch(
      /(flags\.f\.metadata\.id|number on line 2) is 9007199254740993.*: write it as text/,
    );
  });

  it('takes effect again after an edit, and after it was replaced', async () => {
    await writeFile(path, flagSet(true));
    const { client, started, events, waitUntil } = open();
    await started;
    await writeFile(path, flagSet(false));
    await waitUntil(async () => expect(await client.getBooleanValue('f', true)).toBe(false));
    await writeFile(`${path}.new`, flagSet(true));
    await rename(`${path}.new`, path);
    await waitUntil(async () => expect(await client.getBooleanValue('f', false)).toBe(true));
    expect(events).toEqual(['READY', 'CHANGED f', 'CHANGED f']);
  });

  it('rewritten with the same flags is not a change', async () => {
    await writeFile(path, flagSet(true));
    const { started, events, waitUntil, provider } = open();
    await started;
    await writeFile(path, `${withRevision(6)}\n`);
    await waitUntil(() => expect(provider.freshness().revision).toBe(6));
    expect(events).toEqual(['READY']);
  });

  it('with another description of a flag is not a change', async () => {
    await writeFile(path, flagSet(true));
    const { started, events, waitUntil, provider } = open();
    await started;
    await writeFile(path, withRevision(6).replace('"rules"', '"description":"new","rules"'));
    await waitUntil(() => expect(provider.freshness().revision).toBe(6));
    expect(events).toEqual(['READY']);
  });

  it.each([
    ['is truncated', '{"formatVersion":1,"fl'],
    ['is empty', ''],
    ['is a list', '[]'],
    ['has no flags', '{"formatVersion":1}'],
    ['is in a newer format', '{"formatVersion":2,"flags":{}}'],
  ])(
    'that %s is reported as stale, and the previous flags stay in use until it is fixed',
    async (_, text) => {
      await writeFile(path, flagSet(true));
      const { client, started, events, waitUntil, provider } = open();
      await started;
      await writeFile(path, text);
      await waitUntil(() => expect(client.providerStatus).toBe('STALE'));
      expect(await client.getBooleanValue('f', false)).toBe(true);
      expect(provider.freshness().lastError?.message).toMatch(/flags.json|format/);
      await writeFile(path, flagSet(false));
      await waitUntil(() => expect(client.providerStatus).toBe('READY'));
      expect(events).toEqual(['READY', 'STALE', 'CHANGED f', 'READY']);
    },
  );

  it('that is deleted makes the provider stale, and the previous flags stay in use', async () => {
    await writeFile(path, flagSet(true));
    const { client, started, waitUntil } = open();
    await started;
    await rm(path);
    await waitUntil(() => expect(client.providerStatus).toBe('STALE'));
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('with a malformed flag is reported with its key, and the other flags work', async () => {
    const { flags, ...rest } = JSON.parse(flagSet(true)) as { flags: object };
    await writeFile(path, JSON.stringify({ ...rest, flags: { ...flags, bad: { enabled: 1 } } }));
    const { client, started, provider } = open();
    expect(await started).toBe('ok');
    expect(await client.getBooleanValue('f', false)).toBe(true);
    expect(await client.getBooleanDetails('bad', false)).toMatchObject({
      errorCode: 'PARSE_ERROR',
    });
    expect(provider.freshness().lastError?.message).toContain('flag "bad"');
  });

  it('that is missing at the start is an error at once, until it exists', async () => {
    const { client, started, events, waitUntil } = open();
    expect(await started).toMatch(/GENERAL: no flags available: .*flags.json cannot be used/);
    await writeFile(path, flagSet(true));
    await waitUntil(() => expect(client.providerStatus).toBe('READY'));
    expect(events).toEqual(['ERROR', 'CHANGED f', 'READY']);
  });

  it('that is missing at the start is replaced by the bootstrap flags, which are stale', async () => {
    const bootstrap = { flags: { f: { enabled: true } } };
    const { client, started, events } = open(path, bootstrap);
    expect(await started).toBe('ok');
    await eventually(() => expect(events).toEqual(['READY', 'STALE']));
    expect(await client.getBooleanValue('f', false)).toBe(true);
  });

  it('is not checked for edits after `onClose`', async () => {
    await writeFile(path, flagSet(true));
    const { started, provider, runtime } = open();
    await started;
    await provider.onClose();
    await runtime.advance(10_000);
    expect(runtime.timerCount()).toBe(0);
  });
});
