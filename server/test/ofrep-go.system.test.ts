import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { startOfrepProgram, startOfrepServer, type OfrepServer } from './support/ofrep.ts';

const MODULE = 'github.com/open-feature/go-sdk-contrib/providers/ofrep';
const VERSION = 'v0.1.7';
const BUILD_TIMEOUT_MS = 300_000;

const directory = mkdtempSync(join(tmpdir(), 'pennon-ofrep-go-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const go = (args: readonly string[], timeout: number) =>
  promisify(execFile)('go', args, { cwd: directory, timeout });

/** Go is optional: without it, or without a module proxy, the tests are skipped and this is the reason. */
const problem: string | undefined = await go(
  ['mod', 'download', `${MODULE}@${VERSION}`],
  60_000,
).then(
  () => undefined,
  (error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT'
      ? 'Go is not installed'
      : `the module proxy of Go does not serve ${MODULE}`,
);
const reason = problem === undefined ? '' : ` (skipped: ${problem})`;

/** Builds the program with the SDK that the provider requires. */
const build = async () => {
  const text = `module example.com/evaluate\n\ngo 1.24\n\nrequire ${MODULE} ${VERSION}\n`;
  writeFileSync(join(directory, 'go.mod'), text);
  copyFileSync(join(import.meta.dirname, 'fixtures/ofrep-go/main.go'), join(directory, 'main.go'));
  await go(['mod', 'tidy'], BUILD_TIMEOUT_MS);
  await go(['build', '-o', 'evaluate', '.'], BUILD_TIMEOUT_MS);
};

// Only what each version of the provider must do: the values, and the code for an unknown flag.
describe.skipIf(problem !== undefined)(`the OFREP provider for Go${reason}`, () => {
  let ofrep: OfrepServer;
  beforeAll(async () => {
    await build();
    ofrep = await startOfrepServer();
  }, BUILD_TIMEOUT_MS);
  afterAll(() => ofrep?.close());

  const startGo = (key = ofrep.keys.server) =>
    startOfrepProgram(join(directory, 'evaluate'), [ofrep.url, key]);

  it('receives values of all types', async () => {
    using program = startGo();
    const valueOf = async (...evaluation: Parameters<typeof program.evaluate>) =>
      (await program.evaluate(...evaluation)).value;
    expect(await valueOf('boolean', 'boolean', false)).toBe(true);
    expect(await valueOf('string', 'text', '')).toBe('Ä 🦩');
    expect(await valueOf('integer', 'whole', 0)).toBe(10);
    expect(await valueOf('float', 'whole', 0)).toBe(10);
    expect(await valueOf('float', 'fraction', 0)).toBe(10);
    expect(await valueOf('object', 'object', {})).toEqual({ list: [1] });
    expect(await valueOf('string', 'plan', '', { plan: 'pro' })).toBe('pro');
  });

  it('passes the default value in code for flags without a value, and for errors', async () => {
    using program = startGo();
    const { evaluate } = program;
    expect(await evaluate('boolean', 'disabled', true)).toMatchObject({ value: true });
    expect(await evaluate('string', 'code-default', 'mine')).toMatchObject({ value: 'mine' });
    expect(await evaluate('boolean', 'half', true, {})).toMatchObject({ value: true });
    expect(await evaluate('boolean', 'text', true)).toMatchObject({ value: true });
    expect(await evaluate('boolean', 'ghost', true)).toMatchObject({
      value: true,
      errorCode: 'FLAG_NOT_FOUND',
    });
    using refused = startGo('unknown');
    expect(await refused.evaluate('boolean', 'boolean', false)).toMatchObject({ value: false });
  });

  it('sees a change with the next evaluation, also after an outage', async () => {
    using program = startGo();
    const live = async () => (await program.evaluate('string', 'live', 'mine')).value;
    await ofrep.putLive('a');
    expect(await live()).toBe('a');
    ofrep.proxy.refuse();
    expect(await live()).toBe('mine');
    await ofrep.putLive('b');
    ofrep.proxy.heal();
    // The first evaluation after an outage may still use a connection that is broken.
    await vi.waitFor(async () => expect(await live()).toBe('b'), { timeout: 90_000 });
  });
});
