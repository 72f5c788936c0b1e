import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startServer, type TestServer } from './support/server.ts';

/** The real CLI, which is a module of Go. */
const MODULE = 'github.com/open-feature/cli';
const VERSION = 'v0.4.1';
const BUILD_TIMEOUT_MS = 600_000;

const directory = mkdtempSync(join(tmpdir(), 'pennon-openfeature-cli-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Go is optional: without it, or without a module proxy, the tests are skipped and this is the reason. */
const problem: string | undefined = await promisify(execFile)(
  'go',
  ['mod', 'download', `${MODULE}@${VERSION}`],
  { cwd: directory, timeout: 60_000 },
).then(
  () => undefined,
  (error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? 'Go is not installed' : 'the module proxy of Go is not available',
);
const reason = problem === undefined ? '' : ` (skipped: ${problem})`;

/** Builds the CLI in a module that requires it, because `go install` also needs a list of its versions. */
const build = async () => {
  const text = `module example.com/pennon\n\ngo 1.25\n\nrequire ${MODULE} ${VERSION}\n`;
  writeFileSync(join(directory, 'go.mod'), text);
  const args = ['build', '-mod=mod', '-o', 'openfeature', `${MODULE}/cmd/openfeature`];
  await promisify(execFile)('go', args, { cwd: directory });
};

type Flag = { flagType: string; description?: string; defaultValue: unknown };
type Flags = Record<string, Flag>;

const MANIFEST = join(directory, 'flags.json');
const writeFlags = (flags: Flags) => writeFileSync(MANIFEST, JSON.stringify({ flags }));
const readFlags = (): Flags => JSON.parse(readFileSync(MANIFEST, 'utf8')).flags;

describe.skipIf(problem !== undefined)(`the OpenFeature CLI${reason}`, () => {
  beforeAll(build, BUILD_TIMEOUT_MS);

  let server: TestServer;
  let viewer: string;
  let editor: string;
  let url: string;
  beforeEach(async () => {
    server = await startServer();
    url = await server.listen();
    [viewer, editor] = [await server.keyOf('viewer'), await server.keyOf('editor')];
  });
  afterEach(() => server.close());

  /** Runs the CLI. Returns what it printed, also if it failed. */
  const run = async (...args: readonly string[]) => {
    const options = { cwd: directory, env: { ...process.env, NO_COLOR: '1' } };
    const { stdout, stderr } = await promisify(execFile)('./openfeature', args, options).catch(
      (error: Error & { stdout: string; stderr: string }) => error,
    );
    return stdout + stderr;
  };
  const from = (key: string) => ['--provider-url', url, '--auth-token', key];
  const push = (key: string, ...args: string[]) => run('push', ...from(key), ...args);
  const pull = (key: string) => run('pull', ...from(key), '--no-prompt');

  const ALL: Flags = {
    count: { flagType: 'integer', defaultValue: 3 },
    discount: { flagType: 'float', defaultValue: 0 },
    'fuzzy-search': { flagType: 'boolean', description: 'With errors', defaultValue: true },
    limits: { flagType: 'object', defaultValue: { max: 3 } },
    welcome: { flagType: 'string', defaultValue: 'Größe' },
  };
  const pulled = Object.fromEntries(
    Object.entries(ALL).map(([key, flag]) => [key, { description: '', ...flag }]),
  );

  it('pushes new flags once, and pulls them as they were', async () => {
    writeFlags(ALL);
    expect(await push(editor, '--dry-run')).toContain('Would push 5 flag(s)');
    expect(await push(editor)).toContain('Successfully pushed 5 flag(s)');
    expect(await push(editor)).toContain('No changes needed');
    writeFlags({});
    expect(await pull(viewer)).toContain('Successfully fetched flags');
    expect(readFlags()).toEqual(pulled);
    expect((await server.api('GET', '/flags/discount')).body).toMatchObject({ version: 1 });
  });

  it('pulls flags without a code default, and generates clients from them', async () => {
    const flags = [
      { key: 'new-checkout', description: 'Fewer steps' },
      { key: 'theme', type: 'string', variants: { dark: 'dark' }, defaultVariant: null },
      { key: 'sizes', type: 'object', variants: { all: { s: [1] } }, defaultVariant: 'all' },
    ];
    for (const flag of flags) await server.api('POST', '/flags', { body: { enabled: true, ...flag } }); // prettier-ignore
    await pull(viewer);
    expect(readFlags()).toEqual({
      'new-checkout': { flagType: 'boolean', description: 'Fewer steps', defaultValue: false },
      sizes: { flagType: 'object', description: '', defaultValue: { s: [1] } },
      theme: { flagType: 'string', description: '', defaultValue: 'dark' },
    });
    for (const [language, file] of [
      ['nodejs', 'openfeature.ts'],
      ['python', 'openfeature.py'],
    ] as const) {
      // prettier-ignore
      expect(await run('generate', language, '-o', language)).toContain('Successfully generated');
      expect(readFileSync(join(directory, language, file), 'utf8')).toContain('"new-checkout"');
    }
  });

  it('changes default values and clears descriptions, but removes nothing', async () => {
    writeFlags(ALL);
    await push(editor);
    const changed = { flagType: 'boolean', description: '', defaultValue: false };
    writeFlags({ 'fuzzy-search': changed });
    expect(await push(editor)).toContain('Successfully pushed 1 flag(s)');
    await pull(viewer);
    expect(readFlags()).toEqual({ ...pulled, 'fuzzy-search': changed });
    const evaluated = await server.api('POST', '/evaluate', {
      body: { flagKey: 'fuzzy-search', context: {} },
    });
    expect(evaluated.body.value).toBe(true);
  });

  it('prints why a request is refused', async () => {
    writeFlags(ALL);
    expect(await push(viewer)).toMatch(/status 403\): .*use a key with role "admin" or "editor"/);
    expect(await pull('wrong')).toMatch(/authentication failed: the key does not exist/);
    expect(await pull(await server.keyOf('server'))).toMatch(/authorization failed: a key with/);
    await push(editor);
    const welcome = (fields: Partial<Flag>) =>
      writeFlags({ welcome: { flagType: 'string', defaultValue: 'Hi', ...fields } });
    welcome({ flagType: 'integer', defaultValue: 1 });
    expect(await push(editor)).toMatch(/status 409\): .*cannot become "integer"/);
    writeFlags({ 'a b': { flagType: 'string', defaultValue: '' } });
    expect(await push(editor)).toMatch(/status 400\): .*key must consist of letters/);
  });
});
