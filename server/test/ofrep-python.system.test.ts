import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  startOfrepProgram,
  startOfrepServer,
  type Context,
  type OfrepServer,
} from './support/ofrep.ts';

const execute = promisify(execFile);
const PACKAGES = ['openfeature-provider-ofrep==0.3.0', 'openfeature-sdk==0.10.0'];
const INSTALL_TIMEOUT_MS = 180_000;
const PROGRAM = join(import.meta.dirname, 'fixtures', 'ofrep-python', 'evaluate.py');

const directory = mkdtempSync(join(tmpdir(), 'pennon-ofrep-python-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const python = join(directory, 'bin', 'python');

/** Installs the provider. Returns why this is not possible, if so. */
const install = (): Promise<string | undefined> => {
  const args = ['-m', 'pip', 'install', '--quiet', '--no-input', ...PACKAGES];
  return execute(python, args, { timeout: INSTALL_TIMEOUT_MS }).then(
    () => undefined,
    () => `pip cannot install ${PACKAGES.join(' and ')}`,
  );
};

/** Without virtual environments or the packages, the tests are skipped and this is the reason. */
const problem = await execute('python3', ['-m', 'venv', directory]).then(
  install,
  () => 'python3 cannot create a virtual environment',
);
const reason = problem === undefined ? '' : ` (skipped: ${problem})`;

describe.skipIf(problem !== undefined)(`openfeature-provider-ofrep for Python${reason}`, () => {
  let ofrep: OfrepServer;
  beforeAll(async () => {
    ofrep = await startOfrepServer();
  });
  afterAll(() => ofrep?.close());

  const startPython = (key = ofrep.keys.server) =>
    startOfrepProgram(python, [PROGRAM, ofrep.url, key]);

  it('receives values of all types', async () => {
    using program = startPython();
    const { evaluate } = program;
    const served = (variant: string, value: unknown) => ({
      value,
      variant,
      reason: 'STATIC',
      errorCode: null,
    });
    expect(await evaluate('boolean', 'boolean', false)).toEqual(served('on', true));
    expect(await evaluate('string', 'text', '')).toEqual(served('a', 'Ä 🦩'));
    expect(await evaluate('integer', 'whole', 0, {})).toEqual(served('ten', 10));
    expect(await evaluate('float', 'fraction', 0, {})).toEqual(served('ten', 10));
    expect(await evaluate('object', 'object', {})).toEqual(served('a', { list: [1] }));
  });

  it('evaluates each context', async () => {
    using program = startPython();
    const plan = (context: Context) => program.evaluate('string', 'plan', '', context);
    expect(await plan({ targetingKey: 'ada' })).toMatchObject({ value: 'free' });
    expect(await plan({ targetingKey: 'ada', plan: 'pro' })).toMatchObject({
      value: 'pro',
      variant: 'pro',
      reason: 'TARGETING_MATCH',
    });
    expect(await plan({ plan: 'pro' })).toMatchObject({ value: 'pro' });
  });

  it('passes the default value in code for flags without a value', async () => {
    using program = startPython();
    const passed = (value: unknown, cause: string) => ({
      value,
      variant: '',
      reason: cause,
      errorCode: null,
    });
    expect(await program.evaluate('boolean', 'disabled', true)).toEqual(passed(true, 'DISABLED'));
    expect(await program.evaluate('string', 'code-default', 'mine')).toEqual(
      passed('mine', 'DEFAULT'),
    );
  });

  it('receives the codes of errors', async () => {
    using program = startPython();
    const { evaluate } = program;
    const failed = (errorCode: string, value: unknown = true) => ({
      value,
      variant: null,
      reason: 'ERROR',
      errorCode,
    });
    expect(await evaluate('boolean', 'ghost', true)).toEqual(failed('FLAG_NOT_FOUND'));
    expect(await evaluate('boolean', 'half', true, {})).toEqual(failed('TARGETING_KEY_MISSING'));
    expect(await evaluate('boolean', 'text', true)).toEqual(failed('TYPE_MISMATCH'));
    // It takes only numbers with a fraction for floats, and this flag has integers.
    expect(await evaluate('float', 'whole', 1)).toEqual(failed('TYPE_MISMATCH', 1));
    using refused = startPython('unknown');
    expect(await refused.evaluate('boolean', 'boolean', true)).toEqual(failed('GENERAL'));
  });

  it('sees a change with the next evaluation, also after an outage', async () => {
    using program = startPython();
    const live = () => program.evaluate('string', 'live', 'mine');
    await ofrep.putLive('a');
    expect(await live()).toMatchObject({ value: 'a' });
    await ofrep.putLive('b');
    expect(await live()).toMatchObject({ value: 'b' });
    ofrep.proxy.refuse();
    expect(await live()).toMatchObject({ value: 'mine', errorCode: 'GENERAL' });
    await ofrep.putLive('a');
    ofrep.proxy.heal();
    expect(await live()).toMatchObject({ value: 'a', errorCode: null });
  });
});
