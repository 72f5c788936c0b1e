import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';

import {
  Copy,
  DockerfileParser,
  Env,
  From,
  JSONInstruction,
  type Instruction,
} from 'dockerfile-ast';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { freePort } from '../../../server/test/support/free-ports.ts';
import { root } from '../src/packages.ts';
import { run } from './support/run.ts';

const execute = promisify(execFile);
const MINUTES = 60_000;
const KEY = 'an-admin-key-of-24-characters-or-more';
const isRoot = process.getuid?.() === 0;
/** The user in place of the image's `node`. */
const USER = 65_534;

/** One stage of the image: a directory in place of its root file system. */
type ImageStage = {
  readonly directory: string;
  readonly name: string | null;
  readonly env: Record<string, string>;
  workdir: string;
  readonly command: string[];
  healthCheck: readonly string[];
};

let temporary: string;
let stages: ImageStage[];
const finalStage = (): ImageStage => stages.at(-1) ?? expect.fail('the Dockerfile has no stage');

/** Replaces absolute paths of the image by paths below the directory of the stage. */
const inStage = ({ directory }: ImageStage, text: string): string =>
  text.replaceAll(/(?<=^|[\s=])\/(?=(app|data|src)\b)/g, `${directory}/`);

/** Whether .dockerignore excludes a file from the context. */
const isIgnored = (() => {
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
  const toRegExp = (glob: string) =>
    new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
  const anywhere = patterns
    .filter(each => each.startsWith('**/'))
    .map(each => toRegExp(each.slice(3)));
  const atRoot = patterns.filter(each => !each.startsWith('**/')).map(toRegExp);
  return (path: string): boolean =>
    anywhere.some(each => each.test(basename(path))) || atRoot.some(each => each.test(path));
})();

const copyContext = (target: string): void =>
  cpSync(root, target, {
    recursive: true,
    filter: source => !isIgnored(relative(root, source)),
  });

/** The environment of a step: the programs of the image, an empty home directory, no setting of Pennon. */
const environmentOf = (stage: ImageStage): Record<string, string> => {
  const network = Object.entries(process.env).filter(([name]) =>
    /^(NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|(HTTPS?|NO)_PROXY)$/i.test(name),
  );
  const userConfig = join(homedir(), '.npmrc');
  const mapped = Object.entries(stage.env).map(([name, value]) => [name, inStage(stage, value)]);
  return {
    ...Object.fromEntries(network),
    ...(existsSync(userConfig) && { npm_config_userconfig: userConfig }),
    CI: '1',
    HOME: join(temporary, 'home'),
    PATH: `${join(temporary, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
    ...Object.fromEntries(mapped),
  };
};

const runStep = async (stage: ImageStage, command: string): Promise<void> => {
  const asUser = command.replace('-o node -g node', isRoot ? `-o ${USER} -g ${USER}` : '');
  await execute('sh', ['-c', inStage(stage, asUser)], {
    cwd: inStage(stage, stage.workdir),
    env: environmentOf(stage),
    maxBuffer: 64 * 1_048_576,
  });
};

const jsonOf = (instruction: JSONInstruction): string[] =>
  instruction.getJSONStrings().map(each => each.getJSONValue());

const copy = (stage: ImageStage, instruction: Copy): void => {
  const [source = '', target = ''] = instruction.getArguments().map(each => each.getValue());
  const from = instruction.getFromFlag()?.getValue();
  if (from === undefined) return copyContext(inStage(stage, stage.workdir));
  const other = stages.find(({ name }) => name === from) ?? expect.fail(`no stage ${from}`);
  cpSync(inStage(other, source), inStage(stage, target), {
    recursive: true,
    verbatimSymlinks: true,
  });
};

const newStage = (name: string | null): ImageStage => {
  const directory = join(temporary, `stage-${stages.length}`);
  mkdirSync(directory);
  return { directory, name, env: {}, workdir: '/', command: [], healthCheck: [] };
};

const perform = async (instruction: Instruction): Promise<void> => {
  if (instruction instanceof From) return void stages.push(newStage(instruction.getBuildStage()));
  const stage = finalStage();
  if (instruction instanceof Copy) return copy(stage, instruction);
  if (instruction instanceof Env) {
    for (const property of instruction.getProperties())
      stage.env[property.getName()] = property.getValue() ?? '';
    return;
  }
  const text = instruction.getArgumentsContent() ?? '';
  switch (instruction.getKeyword()) {
    case 'WORKDIR':
      stage.workdir = text;
      mkdirSync(inStage(stage, text), { recursive: true });
      return;
    case 'RUN':
      return runStep(stage, text);
    case 'ENTRYPOINT':
    case 'CMD':
      if (instruction instanceof JSONInstruction) stage.command.push(...jsonOf(instruction));
      return;
    case 'HEALTHCHECK':
      stage.healthCheck = JSON.parse(/CMD\s+(\[.*\])$/s.exec(text)?.[1] ?? '[]');
      return;
    case 'USER':
    case 'VOLUME':
    case 'EXPOSE':
      return;
    default:
      expect.fail(`this test does not know the instruction ${instruction.getKeyword()}`);
  }
};

beforeAll(async () => {
  temporary = mkdtempSync(join(tmpdir(), 'pennon-image-'));
  chmodSync(temporary, 0o755);
  stages = [];
  mkdirSync(join(temporary, 'home'));
  mkdirSync(join(temporary, 'bin'));
  cpSync(process.execPath, join(temporary, 'bin/node'));
  const find = (program: string) =>
    execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  for (const program of ['npm', 'npx']) symlinkSync(find(program), join(temporary, 'bin', program));
  const file = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  for (const instruction of DockerfileParser.parse(file).getInstructions())
    await perform(instruction);
}, 15 * MINUTES);
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

/** Starts the image's command, as `docker run --read-only --env PORT=… ` does. */
const start = async (port: number): Promise<ChildProcess> => {
  const stage = finalStage();
  const user = isRoot ? ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];
  const command = stage.command.map(part => inStage(stage, part));
  const [program = '', ...args] = [...user, ...command];
  const child = spawn(program, args, {
    cwd: inStage(stage, stage.workdir),
    env: { ...environmentOf(stage), PORT: String(port), PENNON_ADMIN_KEY: KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
      if (/listens on/.test(output)) resolve();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('exit', () => reject(new Error(output)));
  });
  return child;
};

const stop = async (child: ChildProcess): Promise<unknown> => {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  return (await exited)[0];
};

const checkHealth = (port: number): Promise<string> => {
  const [program = '', ...args] = finalStage().healthCheck;
  const env = { ...environmentOf(finalStage()), PORT: String(port) };
  return run(join(temporary, 'bin', program), args, { cwd: temporary, env });
};

const flags = (port: number, body?: object): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/api/v1/flags?environment=production`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

describe('the steps of deploy/Dockerfile, run in a fresh root directory and not by a container engine', () => {
  it('build an image without development dependencies and without the sources', () => {
    const app = join(finalStage().directory, 'app');
    expect(readdirSync(finalStage().directory).toSorted()).toEqual(['app', 'data']);
    expect(existsSync(join(app, 'dist/pennon.js'))).toBe(true);
    const installed = readdirSync(join(app, 'node_modules/.pnpm'));
    expect(installed.filter(name => /^(typescript|vitest|esbuild|swagger-ui)/.test(name))).toEqual(
      [],
    );
    expect(existsSync(join(app, 'server'))).toBe(false);
  });

  it(
    'serve as another user with a read-only application, an empty home, and data that is kept',
    { timeout: 15 * MINUTES },
    async () => {
      const app = join(finalStage().directory, 'app');
      await run('chmod', ['-R', 'a-w', app], { cwd: temporary });
      const port = await freePort();
      await expect(checkHealth(port)).rejects.toThrow(/failed/);
      const first = await start(port);
      await checkHealth(port);
      expect((await flags(port, { key: 'kept', enabled: true })).status).toBe(201);
      expect((await fetch(`http://127.0.0.1:${port}/docs/swagger-ui-bundle.js`)).status).toBe(200);
      expect(await stop(first)).toBe(0);

      const second = await start(port);
      const { items } = (await (await flags(port)).json()) as { items: { key: string }[] };
      expect(items.map(({ key }) => key)).toEqual(['kept']);
      expect(await stop(second)).toBe(0);
      await run('chmod', ['-R', 'u+w', app], { cwd: temporary });
    },
  );
});
