import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  startOfrepProgram,
  startOfrepServer,
  type Context,
  type OfrepServer,
} from './support/ofrep.ts';

const execute = promisify(execFile);
const FIXTURES = join(import.meta.dirname, 'fixtures', 'ofrep-java');
const DOWNLOAD_TIMEOUT_MS = 300_000;
const BUILD_TIMEOUT_MS = 180_000;

const directory = mkdtempSync(join(tmpdir(), 'pennon-ofrep-java-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const classPathFile = join(directory, 'class-path');

/** Downloads the provider. Returns why this is not possible, if so. */
const download = async (): Promise<string | undefined> => {
  const goal = ['dependency:build-classpath', `-Dmdep.outputFile=${classPathFile}`];
  const args = ['--quiet', '--batch-mode', '--file', join(FIXTURES, 'pom.xml'), ...goal];
  return execute('mvn', args, { timeout: DOWNLOAD_TIMEOUT_MS }).then(
    () => undefined,
    (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? 'Maven is not installed' : 'Maven Central is not available',
  );
};

/** Java is optional: without it, Maven or Maven Central, the tests are skipped and this is the reason. */
const problem = await execute('javac', ['-version']).then(download, () => 'Java is not installed');
const reason = problem === undefined ? '' : ` (skipped: ${problem})`;

describe.skipIf(problem !== undefined)(`the OFREP provider for Java${reason}`, () => {
  let classPath: string;
  let ofrep: OfrepServer;
  let java: ReturnType<typeof startOfrepProgram>;
  beforeAll(async () => {
    const libraries = readFileSync(classPathFile, 'utf8').trim();
    const source = join(FIXTURES, 'Evaluate.java');
    await execute('javac', ['-encoding', 'UTF-8', '-d', directory, '-cp', libraries, source]);
    classPath = [directory, libraries].join(delimiter);
    ofrep = await startOfrepServer();
    java = startJava();
  }, BUILD_TIMEOUT_MS);
  afterAll(async () => {
    java?.[Symbol.dispose]();
    await ofrep?.close();
  });

  const startJava = (key = ofrep.keys.server) =>
    startOfrepProgram('java', ['-cp', classPath, 'Evaluate', ofrep.url, key]);

  it('receives values of all types', async () => {
    const served = (variant: string, value: unknown) => ({
      value,
      variant,
      reason: 'STATIC',
      errorCode: null,
    });
    expect(await java.evaluate('boolean', 'boolean', false)).toEqual(served('on', true));
    expect(await java.evaluate('string', 'text', '')).toEqual(served('a', 'Ä 🦩'));
    expect(await java.evaluate('integer', 'whole', 0)).toEqual(served('ten', 10));
    expect(await java.evaluate('float', 'fraction', 0)).toEqual(served('ten', 10));
    expect(await java.evaluate('object', 'object', {})).toEqual(served('a', { list: [1] }));
  });

  it('evaluates each context', async () => {
    const plan = (context: Context) => java.evaluate('string', 'plan', '', context);
    expect(await plan({ targetingKey: 'ada' })).toMatchObject({ value: 'free' });
    expect(await plan({ targetingKey: 'ada', plan: 'pro' })).toMatchObject({
      value: 'pro',
      variant: 'pro',
      reason: 'TARGETING_MATCH',
    });
    expect(await plan({ plan: 'pro' })).toMatchObject({ value: 'pro' });
  });

  // It takes a response without a value for one about an unknown flag, so the reason is lost. The value is right.
  it('passes the default value in code for flags without a value', async () => {
    const error = { reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND' };
    expect(await java.evaluate('boolean', 'disabled', true)).toMatchObject({
      value: true,
      ...error,
    });
    expect(await java.evaluate('string', 'code-default', 'mine')).toMatchObject({
      value: 'mine',
      ...error,
    });
  });

  it('receives the codes of errors', async () => {
    const failed = (errorCode: string, value: unknown = true) =>
      expect.objectContaining({ value, reason: 'ERROR', errorCode });
    expect(await java.evaluate('boolean', 'ghost', true)).toEqual(failed('FLAG_NOT_FOUND'));
    expect(await java.evaluate('boolean', 'text', true)).toEqual(failed('TYPE_MISMATCH'));
    // It takes only numbers with a fraction for floats, and only others for integers.
    expect(await java.evaluate('float', 'whole', 1)).toEqual(failed('TYPE_MISMATCH', 1));
    expect(await java.evaluate('integer', 'fraction', 1)).toEqual(failed('TYPE_MISMATCH', 1));
    // It reports each response with status 400 as INVALID_CONTEXT. The server sends TARGETING_KEY_MISSING.
    expect(await java.evaluate('boolean', 'half', true, {})).toEqual(failed('INVALID_CONTEXT'));
    using refused = startJava('unknown');
    expect(await refused.evaluate('boolean', 'boolean', true)).toEqual(failed('GENERAL'));
  });

  it('sees a change with the next evaluation, also after an outage', async () => {
    const live = () => java.evaluate('string', 'live', 'mine');
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
