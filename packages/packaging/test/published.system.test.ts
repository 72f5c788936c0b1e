import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, relative } from 'node:path';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { satisfies } from 'semver';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { FlagServer } from '../../sync/test/support/flag-server.ts';
import { startFlagServer } from '../../sync/test/support/flag-server.ts';
import { startBrowser } from '../../../providers/web/test/support/browser.ts';
import { PACKAGES, root } from '../src/packages.ts';
import { BUNDLER_PACKAGES, BUNDLERS, bundlePage } from './support/bundlers.ts';
import { NEXT_PACKAGES, startNextApp, writeNextApp } from './support/next-app.ts';
import { CASES, compileProgram, writePrograms } from './support/compilers.ts';
import type { Packed } from './support/packed.ts';
import { packAll } from './support/packed.ts';
import { servePage } from './support/page.ts';
import type { Project } from './support/projects.ts';
import { createProject, install } from './support/projects.ts';
import type { Registry } from './support/registry.ts';
import { startRegistry } from './support/registry.ts';
import { run } from './support/run.ts';

const MINUTES = 60_000;

let directory: string;
let packed: readonly Packed[];
const packageNamed = (name: string): Packed => {
  const found = packed.find(each => each.name === name);
  if (found === undefined) throw new Error(`${name} was not packed`);
  return found;
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pennon-published-'));
  packed = await packAll(directory);
}, 15 * MINUTES);
afterAll(() => rmSync(directory, { recursive: true }));

type SourceMap = { sources: string[]; sourcesContent?: (string | null)[] };

const NAMES = PACKAGES.map(({ name }) => name);

describe.each(NAMES)('%s, packed', name => {
  it('contains the build, the sources for its source maps, the license and a README, and nothing else', () => {
    const { files } = packageNamed(name);
    const expected =
      /^(dist\/[\w-]+\.(c?js|d\.c?ts)(\.map)?|dist\/vendor\/[\w/-]+\.d\.c?ts|dist\/THIRD-PARTY-LICENSES\.txt|src\/[\w-]+\.ts|package\.json|README\.md|LICENSE)$/;
    expect(files.filter(file => !expected.test(file))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        ...['js', 'cjs', 'd.ts', 'd.cts'].map(extension => `dist/index.${extension}`),
      ]),
    );
  });

  it('has source maps whose sources are in the package or in the map itself', () => {
    const { files, text } = packageNamed(name);
    const maps = files.filter(file => file.endsWith('.map'));
    const unresolved = maps.flatMap(map => {
      const { sources, sourcesContent = [] }: SourceMap = JSON.parse(text(map));
      return sources
        .filter((_, index) => typeof sourcesContent[index] !== 'string')
        .map(source => normalize(join(dirname(map), source)))
        .filter(source => !files.includes(source));
    });
    expect(maps.length).toBeGreaterThan(0);
    expect(unresolved).toEqual([]);
  });

  it('consists of few files, because each one slows an import down', () => {
    const { files, manifest } = packageNamed(name);
    const code = files.filter(file => file.endsWith('.js'));
    const exported = Object.values(manifest.exports).flatMap(formats =>
      formats.development === undefined ? [formats] : [formats, formats.development],
    ).length;
    expect(code.length).toBeLessThanOrEqual(exported === 1 ? 1 : 2 * exported);
  });

  it('depends only on published packages', () => {
    const { manifest, files, text } = packageNamed(name);
    const all = JSON.stringify({ ...manifest.dependencies, ...manifest.peerDependencies });
    expect(all).not.toMatch(/workspace:|catalog:|@pennon\/(schema|server|spec)"/);
    const shipped = files.filter(file => file.startsWith('dist/') && !file.endsWith('.map'));
    const foreign = shipped.filter(file =>
      /from '@pennon\/(schema|server)['/]|from 'zod'/.test(text(file)),
    );
    expect(foreign).toEqual([]);
  });

  it('has no problems in publint', async () => {
    const { unpacked, manifest } = packageNamed(name);
    const { messages } = await publint({ pkgDir: unpacked, strict: true, pack: false });
    expect(messages.map(message => formatMessage(message, { ...manifest }))).toEqual([]);
  });

  it('has types that match its modules in all four kinds of resolution', async () => {
    const attw = join(root, 'packages/packaging/node_modules/.bin/attw');
    const args = [packageNamed(name).tarball, '--format', 'ascii', '--no-color'];
    const output = await run(attw, args, { cwd: directory });
    expect(output).toContain('No problems found');
    for (const mode of ['node10', 'node16 (from CJS)', 'node16 (from ESM)', 'bundler'])
      expect(output).toContain(`${mode}: 🟢`);
  });

  it('names its repository, home page, author and keywords', () => {
    const { text } = packageNamed(name);
    const { repository, ...rest } = JSON.parse(text('package.json'));
    const folder = relative(root, PACKAGES.find(each => each.name === name)?.folder ?? '');
    expect(repository).toEqual({
      type: 'git',
      url: 'git+https://github.com/pennon/pennon.git',
      directory: folder,
    });
    expect(rest).toMatchObject({
      homepage: `https://github.com/pennon/pennon/tree/main/${folder}#readme`,
      bugs: 'https://github.com/pennon/pennon/issues',
      license: 'Apache-2.0',
      author: 'The Pennon authors',
      engines: { node: '>=20' },
    });
    expect(rest.keywords).toEqual(expect.arrayContaining(['pennon', 'feature-flags']));
  });

  it('publishes the license of each package that is bundled into it', () => {
    const { files, text } = packageNamed(name);
    const bundled = new Set(
      files
        .filter(file => file.endsWith('.js.map'))
        .flatMap(map => {
          const { sources }: SourceMap = JSON.parse(text(map));
          return sources.flatMap(
            source => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [],
          );
        }),
    );
    const file = 'dist/THIRD-PARTY-LICENSES.txt';
    const licenses = files.includes(file) ? text(file) : '';
    for (const each of bundled) expect(licenses).toContain(`${each} `);
  });

  it('has a README with a quick start in under twenty lines', () => {
    const [start] = codeIn(packageNamed(name).text('README.md'));
    const lines = (start ?? '').trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.length).toBeLessThan(20);
  });
});

const codeIn = (readme: string): readonly string[] =>
  [...readme.matchAll(/^```ts\n([^]*?)^```/gm)].map(([, code = '']) => code);

it('changesets raise the versions of all published packages together', () => {
  const { fixed } = JSON.parse(readFileSync(join(root, '.changeset/config.json'), 'utf8'));
  expect(fixed).toEqual([NAMES]);
  expect(new Set(packed.map(({ manifest }) => manifest.version)).size).toBe(1);
});

describe('installed from a registry in an empty project', () => {
  let registry: Registry;
  let server: FlagServer;

  beforeAll(async () => {
    registry = await startRegistry(mkdtempSync(join(directory, 'registry-')));
    for (const { tarball } of packed) {
      // oxlint-disable-next-line no-await-in-loop -- a registry takes one after the other
      await run('npm', ['publish', tarball], { cwd: directory, env: registry.env });
    }
    server = await startFlagServer();
    await server.putFlag('new-checkout', {
      clientVisible: true,
      rules: [{ attribute: 'plan', operator: 'equals', value: 'pro' }],
    });
    await server.putFlag('staff', {
      rules: [{ attribute: 'mail', operator: 'matches', value: '@example\\.com$' }],
    });
  }, 15 * MINUTES);
  afterAll(async () => {
    await registry.close();
    await server.close();
  });

  it(
    'a production install runs on Node 20 throughout, and has no compiler',
    async () => {
      const folder = join(directory, 'production');
      mkdirSync(folder);
      await install(
        folder,
        [...NAMES, '@openfeature/server-sdk', '@openfeature/web-sdk'],
        registry,
      );
      const lockfile = readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8');
      const { packages }: Lockfile = JSON.parse(lockfile);
      const refused = Object.entries(packages)
        .filter(([, { engines }]) => !satisfies('20.0.0', engines?.node ?? '*'))
        .map(([name]) => name);
      expect(refused).toEqual([]);
      expect(Object.keys(packages)).not.toContain('node_modules/typescript');
    },
    15 * MINUTES,
  );

  describe.each([
    { node: '20', typescript: '5.9' },
    { node: '26', typescript: '7' },
  ])('with Node $node and TypeScript $typescript', versions => {
    let project: Project;
    beforeAll(async () => {
      const folder = join(directory, `project-${versions.node}`);
      project = await createProject(folder, versions, registry);
    }, 15 * MINUTES);

    it('has the intended versions', async () => {
      expect(await project.run('node', '--version')).toMatch(new RegExp(`^v${versions.node}\\.`));
      expect(await project.run('tsc', '--version')).toContain(`Version ${versions.typescript}`);
    });

    it('the types are those of the repository, and the examples of each README compile', async () => {
      project.write('types.ts', readFileSync(join(root, 'packages/client/test/types.ts'), 'utf8'));
      for (const { name, text } of packed) {
        codeIn(text('README.md')).forEach((code, at) => {
          project.write(`${name.replaceAll(/\W+/g, '-')}-${at}.ts`, `${code}\nexport {};\n`);
        });
      }
      project.write('tsconfig.json', JSON.stringify(STRICT));
      expect(await project.typeErrors()).toEqual([]);
    });

    const EXPECTED = { engine: true, client: true, provider: true, other: false, matching: true };

    it('flags are evaluated by the engine, the client and the server provider', async () => {
      const [read, evaluate] = [await server.createKey('viewer'), await server.createKey('server')];
      project.write('evaluate.js', EVALUATE);
      const args = [server.url(), read.secret, evaluate.secret];
      expect(JSON.parse(await project.run('node', 'evaluate.js', ...args))).toEqual(EXPECTED);
    });

    it('a CommonJS project compiles, and evaluates the same flags', async () => {
      const [read, evaluate] = [await server.createKey('viewer'), await server.createKey('server')];
      project.write('evaluate.cts', EVALUATE_COMMON_JS);
      project.write('tsconfig.json', JSON.stringify(COMMON_JS));
      expect(await project.typeErrors()).toEqual([]);
      const args = [server.url(), read.secret, evaluate.secret];
      expect(JSON.parse(await project.run('node', 'evaluate.cjs', ...args))).toEqual(EXPECTED);
    });

    it('flags are evaluated in a program that is bundled into one file', async () => {
      const [read, evaluate] = [await server.createKey('viewer'), await server.createKey('server')];
      project.write('evaluate.js', EVALUATE);
      const bundled = join(mkdtempSync(join(directory, 'bundled-')), 'evaluate.mjs');
      const options = ['--bundle', '--platform=node', '--format=esm', `--outfile=${bundled}`];
      await project.run('esbuild', 'evaluate.js', '--log-level=error', ...options);
      const args = [server.url(), read.secret, evaluate.secret];
      expect(JSON.parse(await project.run('node', bundled, ...args))).toEqual(EXPECTED);
    });

    it('a flag is evaluated in a bundled page by the web provider', async () => {
      project.write('page.js', PAGE);
      const { secret } = await server.createKey('client');
      const bundle = await project.run(
        'esbuild',
        'page.js',
        '--bundle',
        '--minify',
        '--format=esm',
      );
      await using page = await servePage(bundle);
      await using browser = await startBrowser();
      const tab = await browser.newPage();
      await tab.goto(
        `${page.url}#${new URLSearchParams({ url: server.url(), key: secret }).toString()}`,
      );
      await expect.poll(() => tab.textContent('output')).toBe('true false');
    });
  });

  describe('with each version of TypeScript that the packages support', () => {
    const folder = () => join(directory, 'compilers');
    beforeAll(async () => {
      const sdks = ['@openfeature/server-sdk', '@openfeature/web-sdk', '@openfeature/core'];
      await writePrograms(folder(), [...NAMES, ...sdks], registry);
    }, 15 * MINUTES);

    it.each(CASES)(
      'all types compile under TypeScript $compiler with the resolution $resolution',
      async each => {
        expect(await compileProgram(folder(), each)).toContain(`Version ${each.compiler}.`);
      },
    );
  });

  describe('with bundlers and other runtimes', () => {
    let project: Project;
    beforeAll(async () => {
      const more = [...BUNDLER_PACKAGES, ...NEXT_PACKAGES, 'deno', 'bun'];
      const versions = { node: '26', typescript: '5.9' };
      project = await createProject(join(directory, 'bundlers'), versions, registry, more);
    }, 15 * MINUTES);

    it.each(BUNDLERS)('a page bundled by $name evaluates a flag', async bundler => {
      project.write('page.js', PAGE);
      const { secret } = await server.createKey('client');
      const bundle = await bundlePage(project, bundler);
      await using page = await servePage(readFileSync(bundle, 'utf8'));
      await using browser = await startBrowser();
      const tab = await browser.newPage();
      await tab.goto(
        `${page.url}#${new URLSearchParams({ url: server.url(), key: secret }).toString()}`,
      );
      await expect.poll(() => tab.textContent('output')).toBe('true false');
    });

    it.each([
      { runtime: 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual', '--no-lock'] },
      { runtime: 'bun', args: ['run'] },
    ])('$runtime evaluates the same flags', async ({ runtime, args }) => {
      const [read, evaluate] = [await server.createKey('viewer'), await server.createKey('server')];
      project.write('evaluate.js', EVALUATE);
      const keys = [read.secret, evaluate.secret];
      const output = await project.run(runtime, ...args, 'evaluate.js', server.url(), ...keys);
      expect(JSON.parse(output)).toEqual({
        engine: true,
        client: true,
        provider: true,
        other: false,
        matching: true,
      });
    });

    it(
      'Next.js evaluates a flag in a server component and in a client component',
      async () => {
        const [onServer, inBrowser] = [
          await server.createKey('server'),
          await server.createKey('client'),
        ];
        writeNextApp(project.directory);
        await project.run('next', 'build');
        await using app = await startNextApp(project.directory, {
          FLAGS_URL: server.url(),
          FLAGS_SERVER_KEY: onServer.secret,
          FLAGS_CLIENT_KEY: inBrowser.secret,
        });
        // The HTML has the values already, so the page does not change when it becomes interactive.
        // The first ones may have default values, on a busy machine.
        const html = async () => (await fetch(app.url)).text();
        await expect.poll(html).toContain('<p id="browser">true</p>');
        await using browser = await startBrowser();
        const tab = await browser.newPage();
        const errors: string[] = [];
        tab.on('console', message => /hydrat/i.test(message.text()) && errors.push(message.text()));
        tab.on('pageerror', error => errors.push(error.message));
        await tab.goto(app.url);
        expect(await tab.textContent('#server')).toBe('true');
        await expect.poll(() => tab.textContent('#browser')).toBe('true');
        await server.putFlag('new-checkout', {
          defaultVariant: 'off',
          clientVisible: true,
          type: 'boolean',
          variants: { on: true, off: false },
        });
        await expect.poll(() => tab.textContent('#browser')).toBe('false');
        expect(errors).toEqual([]);
      },
      15 * MINUTES,
    );
  });
});

type Lockfile = {
  packages: Record<string, { engines?: { node?: string } }>;
};

/** The strictest settings of a project. They check our declarations too. */
const STRICT = {
  compilerOptions: {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023', 'dom'],
    types: ['node'],
    skipLibCheck: false,
  },
};

const COMMON_JS = {
  compilerOptions: { ...STRICT.compilerOptions, module: 'node16', noEmit: false },
  files: ['evaluate.cts'],
};

const IMPORTS = `
import { OpenFeature } from '@openfeature/server-sdk';
import { createApiClient } from '@pennon/client';
import { compile, evaluate } from '@pennon/engine';
import { PennonProvider } from '@pennon/server-provider';
`;
const PROGRAM = `
const [, , url, viewerKey, serverKey] = process.argv;
const context = { targetingKey: 'ada', plan: 'pro' };

const api = createApiClient({ url, key: viewerKey });
const flag = await api.flags.get.query({ key: 'new-checkout' });
const { etag, ...definition } = flag;
const set = { formatVersion: 1, flags: { [flag.key]: definition } };
const decided = evaluate(compile(set), flag.key, context);
const evaluation = await api.evaluation.evaluate.mutate({ flagKey: flag.key, context });

await OpenFeature.setProviderAndWait(new PennonProvider({ url, key: serverKey, initTimeoutMs: 90_000 }));
const client = OpenFeature.getClient();
console.log(JSON.stringify({
  engine: 'value' in decided && decided.value,
  client: 'value' in evaluation && evaluation.value,
  provider: await client.getBooleanValue(flag.key, false, context),
  other: await client.getBooleanValue(flag.key, true, { targetingKey: 'bob' }),
  matching: await client.getBooleanValue('staff', false, { mail: 'ada@example.com' }),
}));
await OpenFeature.close();
`;
const EVALUATE = IMPORTS + PROGRAM;
const EVALUATE_COMMON_JS = `${IMPORTS}
const main = async () => {
${PROGRAM.replace('process.argv', 'process.argv as [string, string, string, string, string]')}
};
void main();
`;

const PAGE = `
import { OpenFeature } from '@openfeature/web-sdk';
import { PennonWebProvider } from '@pennon/web-provider';

const { url, key } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const client = OpenFeature.getClient();
await OpenFeature.setProviderAndWait(new PennonWebProvider({ url, key, initTimeoutMs: 90_000 }), { targetingKey: 'ada', plan: 'pro' });
const pro = client.getBooleanValue('new-checkout', false);
await OpenFeature.setContext({ targetingKey: 'bob' });
document.querySelector('output').textContent = pro + ' ' + client.getBooleanValue('new-checkout', true);
`;
