import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CLI, MAIN, parseLog, startAndFail, startProcess, withoutRoot } from './support/process.ts';
import { openSse } from './support/sse.ts';

const run = promisify(execFile);
const KEY = 'an-admin-key-of-24-characters-or-more';

let data: string;
beforeEach(() => {
  data = join(mkdtempSync(join(tmpdir(), 'pennon-')), 'data');
});
afterEach(() => rmSync(join(data, '..'), { recursive: true }));

const create = (url: string, key: string, flag: string) =>
  fetch(`${url}/api/v1/flags?environment=production`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ key: flag, enabled: true }),
  });
const flagKeys = async (url: string, key: string): Promise<string[]> => {
  const response = await fetch(`${url}/api/v1/flag-set?environment=production`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const { flags } = (await response.json()) as { flags: object };
  return Object.keys(flags);
};

describe('a first start', () => {
  it('writes a key readable by its owner only, prints its path but not the key, and prints a working curl command', async () => {
    const server = await startProcess({ env: { PENNON_DATA: data } });
    const path = join(data, 'admin-key');
    const key = readFileSync(path, 'utf8').trim();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(server.output()).toContain(path);
    expect(server.output()).not.toContain(key);
    const [, line = ''] = /Try: (curl .*)/.exec(server.output()) ?? [];
    const { stdout } = await run('bash', ['-c', line]);
    expect(JSON.parse(stdout).items).toHaveLength(2);
    expect(await server.stop()).toBe(0);

    const again = await startProcess({ env: { PENNON_DATA: data } });
    expect(again.output()).toContain('Try: curl');
    expect(await flagKeys(again.url, key)).toEqual([]);
    await again.stop();
  });

  it('does not point to a generated key that was revoked later', async () => {
    const first = await startProcess({ env: { PENNON_DATA: data } });
    const authorization = `Bearer ${readFileSync(join(data, 'admin-key'), 'utf8').trim()}`;
    const keys = `${first.url}/api/v1/keys`;
    const made = await fetch(keys, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'mine', role: 'admin', environment: '*' }),
    });
    const { secret } = (await made.json()) as { secret: string };
    const listed = await fetch(keys, { headers: { authorization } });
    const { items } = (await listed.json()) as { items: { id: string; name: string }[] };
    const generated = items.find(({ name }) => name !== 'mine')?.id;
    const mine = { authorization: `Bearer ${secret}` };
    await fetch(`${keys}/${generated}`, { method: 'DELETE', headers: mine });
    await first.stop();

    const again = await startProcess({ env: { PENNON_DATA: data } });
    expect(again.output()).not.toContain('admin-key');
    expect(again.output()).toContain('start with a new one in PENNON_ADMIN_KEY');
    await again.stop();
  });

  it('uses PENNON_ADMIN_KEY at every start, instead of the previous key, and never prints it', async () => {
    const first = await startProcess({ env: { PENNON_DATA: data } });
    const generated = readFileSync(join(data, 'admin-key'), 'utf8').trim();
    await first.stop();
    const env = { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY, LOG_LEVEL: 'trace' };
    const second = await startProcess({ env });
    const [, line = ''] = /Try: (curl .*)/.exec(second.output()) ?? [];
    const { stdout } = await run('bash', ['-c', line], {
      env: { ...process.env, PENNON_ADMIN_KEY: KEY },
    });
    expect(JSON.parse(stdout).items).toHaveLength(2);
    expect((await create(second.url, generated, 'f')).status).toBe(401);
    expect((await create(second.url, KEY, 'f')).status).toBe(201);
    await second.stop();
    const third = await startProcess({ env: { ...env, PENNON_ADMIN_KEY: `${KEY}-new` } });
    expect((await create(third.url, KEY, 'g')).status).toBe(401);
    expect(await flagKeys(third.url, `${KEY}-new`)).toEqual(['f']);
    await third.stop();
    for (const { output } of [first, second, third]) {
      expect(output()).not.toContain(KEY);
      expect(output()).not.toContain(generated);
    }
  });
});

/** Has the resolver of the process return these addresses for every name. */
const resolvingTo = (...addresses: readonly string[]): string => {
  const found = JSON.stringify(addresses.map(address => ({ address, family: 4 })));
  const code = `
    import { syncBuiltinESMExports } from 'node:module';
    import dns from 'node:dns/promises';
    dns.lookup = async () => ${found};
    syncBuiltinESMExports();
  `;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
};

it('a start with a name as HOST listens on each of its addresses once', async () => {
  const server = await startProcess({
    env: {
      PENNON_DATA: data,
      HOST: 'localhost',
      NODE_OPTIONS: resolvingTo('127.0.0.1', '127.0.0.2', '127.0.0.1'),
    },
  });
  const { port } = new URL(server.url);
  const urls = ['127.0.0.1', '127.0.0.2'].map(host => `http://${host}:${port}`);
  expect(server.url).toBe(urls[0]);
  for (const url of urls) expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
  expect(parseLog(server.log()).map(({ msg }) => msg)).toEqual(
    urls.map(url => `Server listening at ${url}`),
  );
});

describe('a start with PENNON_DATA=:memory:', () => {
  const env = { PENNON_DATA: ':memory:' };

  it('prints a generated admin key and a working curl command, and writes nothing to disk', async () => {
    const server = await startProcess({ env, cwd: join(data, '..') });
    const [, key = ''] =
      /The admin key is (\S+) until the server stops/.exec(server.output()) ?? [];
    const [, line = ''] = /Try: (curl .*)/.exec(server.output()) ?? [];
    const { stdout } = await run('bash', ['-c', line]);
    expect(JSON.parse(stdout).items).toHaveLength(2);
    expect((await create(server.url, key, 'f')).status).toBe(201);
    expect(readdirSync(join(data, '..'))).toEqual([]);
    expect(await server.stop()).toBe(0);
  });

  it('uses PENNON_ADMIN_KEY without printing it, and starts empty again', async () => {
    const first = await startProcess({ env: { ...env, PENNON_ADMIN_KEY: KEY } });
    expect((await create(first.url, KEY, 'f')).status).toBe(201);
    expect(first.output()).not.toContain(KEY);
    await first.stop();
    const second = await startProcess({ env: { ...env, PENNON_ADMIN_KEY: KEY } });
    expect(await flagKeys(second.url, KEY)).toEqual([]);
    await second.stop();
  });

  it('rejects several workers', async () => {
    const { code, output } = await startAndFail({ env: { ...env, PENNON_WORKERS: '2' } });
    expect([code, output]).toEqual([1, expect.stringMatching(/PENNON_WORKERS: .*set REDIS_URL/)]);
  });
});

describe('stopping', () => {
  it('SIGTERM drains open streams and exits with 0', async () => {
    const server = await startProcess({ env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY } });
    const stream = await openSse(`${server.url}/api/v1/flag-set/stream?environment=production`, {
      key: KEY,
    });
    expect(await stream.next()).toMatchObject({ event: 'set' });
    const stopped = server.stop('SIGTERM');
    expect(await stream.next()).toBeUndefined();
    expect(await stopped).toBe(0);
  });

  it('SIGKILL during a thousand writes loses no acknowledged write', async () => {
    const env = { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY, PENNON_RATE_LIMIT: '0' };
    const server = await startProcess({ env });
    const acknowledged: string[] = [];
    const write = async (worker: number) => {
      for (let i = worker; i < 1_000; i += 10) {
        const response = await create(server.url, KEY, `flag-${i}`).catch(() => undefined);
        if (response?.status === 201) acknowledged.push(`flag-${i}`);
        if (acknowledged.length === 300) server.child.kill('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: 10 }, (_, worker) => write(worker)));
    expect(await server.stop('SIGKILL')).toBe('SIGKILL');
    expect(acknowledged.length).toBeGreaterThanOrEqual(300);
    const again = await startProcess({ env });
    const stored = new Set(await flagKeys(again.url, KEY));
    expect(acknowledged.filter(key => !stored.has(key))).toEqual([]);
    await again.stop();
  });
});

describe('the log on standard error', () => {
  /** The server runs this code when it receives SIGUSR2. */
  const onSignal = (code: string) => {
    const preload = `process.on('SIGUSR2', () => { ${code} })`;
    return {
      PENNON_DATA: data,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
    };
  };

  it('has JSON lines only, also for warnings of Node and for the console of a library', async () => {
    const server = await startProcess({
      env: onSignal(`
        process.emitWarning('be careful', 'OddWarning');
        console.error('from a', 'library');
      `),
    });
    server.child.kill('SIGUSR2');
    await expect.poll(server.log).toMatch(/library[^]*careful/);
    expect(await server.stop()).toBe(0);
    expect(parseLog(server.log())).toEqual([
      expect.objectContaining({ level: 30, msg: expect.stringContaining(server.url) }),
      expect.objectContaining({ level: 40, msg: 'from a library' }),
      expect.objectContaining({ level: 40, msg: 'be careful', name: 'OddWarning' }),
    ]);
  });

  it.each([
    ['an exception', "throw new Error('unforeseen')"],
    ['a rejected promise', "Promise.reject(new Error('unforeseen'))"],
  ])('has JSON lines only if %s ends the process', async (_, failure) => {
    const server = await startProcess({ env: { ...onSignal(failure), LOG_LEVEL: 'silent' } });
    expect(await server.stop('SIGUSR2')).toBe(1);
    const err = { message: 'unforeseen', stack: expect.stringContaining('at ') };
    expect(parseLog(server.log())).toMatchObject([
      { level: 60, msg: 'Pennon cannot run: unforeseen', err },
    ]);
  });
});

/** Expects that a write is refused with a code and when to retry, without the path of the store. */
const expectFull = async (url: string, method: string, path: string, body: object | undefined) => {
  const query = path.startsWith('/api/v1/flags') ? '?environment=production' : '';
  const response = await fetch(url + path + query, {
    method,
    headers: {
      authorization: `Bearer ${KEY}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  expect([path, response.status, response.headers.get('retry-after')]).toEqual([path, 503, '1']);
  expect(text).toContain('SERVICE_UNAVAILABLE');
  expect(text).toContain('the store is full');
  expect(text).not.toMatch(/pennon-|pennon\.db|SQLITE|ENOSPC|disk I/);
};

describe('the command line of `npx -y pnpm start`', () => {
  it.each([[[]], [['--']]])('has the flags of pennon start, after %j', async separator => {
    const command = [CLI, 'start', ...separator, '--data', data, '--base-path', '/flags'];
    const server = await startProcess({ env: { PENNON_ADMIN_KEY: KEY }, command });
    expect(server.url).toMatch(/\/flags$/);
    expect(existsSync(data)).toBe(true);
    expect(await server.stop()).toBe(0);
  });

  it('is refused if a flag is unknown, or if the file without flags is used', async () => {
    const unknown = await startAndFail({ env: {}, command: [CLI, 'start', '--prot', '0'] });
    expect([unknown.code, unknown.output]).toEqual([2, expect.stringContaining('mean --port?')]);
    const ignored = await startAndFail({ env: {}, command: [MAIN, '--port', '0'] });
    expect([ignored.code, ignored.output]).toEqual([1, expect.stringContaining('no arguments')]);
  });
});

describe('a failing start', () => {
  const expectFailure = async (env: Record<string, string>, message: RegExp) => {
    const { code, output, log } = await startAndFail({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY, ...env },
    });
    expect([code, output]).toEqual([1, expect.stringMatching(message)]);
    expect(parseLog(log)).toMatchObject([{ level: 60, msg: expect.stringMatching(message) }]);
    expect(output).not.toMatch(/\n\s+at /);
    expect(output).not.toContain(KEY);
  };
  const startWithData = async () => {
    const server = await startProcess({ env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY } });
    await create(server.url, KEY, 'kept');
    return server;
  };

  it.each([
    ['PORT', 'http'],
    ['PORT', '70000'],
    ['PENNON_ADMIN_KEY', 'too-short'],
    ['LOG_LEVEL', 'loud'],
    ['PENNON_RATE_LIMIT', '-1'],
    ['PENNON_BODY_LIMIT', '1e6'],
  ])('an invalid %s is reported with the variable and without the value', async (name, value) => {
    await expectFailure({ [name]: value }, new RegExp(`${name}: must`));
  });

  it.each([
    ['PENNON_WORKER', 'PENNON_WORKERS'],
    ['PENNON_DATADIR', 'PENNON_DATA'],
    ['PENNON_TRUST_PROXIES', 'PENNON_TRUST_PROXY'],
    ['PENNON_PORT', 'PORT'],
  ])('an unknown %s is reported with the name that was probably meant', async (name, meant) => {
    const message = new RegExp(`${name}: is not a setting; did you mean ${meant}\\?`);
    await expectFailure({ [name]: 'secret-value' }, message);
  });

  it('an unknown variable that is similar to no setting is reported', async () => {
    await expectFailure(
      { PENNON_FROBNICATION_STYLE: 'x' },
      /PENNON_FROBNICATION_STYLE: is not a setting("|$)/,
    );
  });

  it('variables of the providers and of Kubernetes are accepted, although they are not settings', async () => {
    const server = await startProcess({
      env: {
        PENNON_DATA: data,
        PENNON_URL: 'http://example.com',
        PENNON_KEY: 'a-key',
        PENNON_SERVICE_HOST: '10.0.0.1',
        PENNON_SERVICE_PORT_HTTP: '80',
        PENNON_PORT: 'tcp://10.0.0.1:80',
        PENNON_PORT_80_TCP_ADDR: '10.0.0.1',
      },
    });
    expect(await server.stop()).toBe(0);
  });

  it('a PENNON_DATA that is a file is reported', async () => {
    const message = /PENNON_DATA: \/dev\/null is not a directory/;
    await expectFailure({ PENNON_DATA: '/dev/null' }, message);
    await expectFailure({ PENNON_DATA: '/dev/null/pennon/data' }, message);
  });

  it('a port that is in use is reported', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expectFailure({ PORT: String(port) }, new RegExp(`port ${port} .* in use`));
    other.close();
  });

  it('data in use by another server is rejected, and the other server continues', async () => {
    const server = await startWithData();
    await expectFailure({}, /in use|another/i);
    expect(await flagKeys(server.url, KEY)).toEqual(['kept']);
    await server.stop();
  });

  it('data from a newer version is rejected', async () => {
    await (await startWithData()).stop();
    const file = new DatabaseSync(join(data, 'pennon.db'));
    file.exec('PRAGMA user_version = 999');
    file.close();
    await expectFailure({}, /newer/i);
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, 5_000)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['overwritten', (path: string) => writeFileSync(path, 'this is not a database'.repeat(500))],
    ['removed', (path: string) => rmSync(path)],
  ])('data that was %s is rejected and never created again', async (_, damage) => {
    await (await startProcess({ env: { PENNON_DATA: data } })).stop();
    const path = join(data, 'pennon.db');
    damage(path);
    const { code, output } = await startAndFail({ env: { PENNON_DATA: data } });
    expect([code, output]).toEqual([1, expect.stringMatching(/backup/i)]);
  });

  it('a read-only directory is rejected', async () => {
    const parent = join(data, '..');
    chmodSync(parent, 0o555);
    const { code, output } = await startAndFail({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY },
      under: withoutRoot,
    });
    chmodSync(parent, 0o755);
    expect([code, output]).toEqual([1, expect.stringContaining(data)]);
    expect(existsSync(data)).toBe(false);
  });

  it('on a full disk writes fail with 503, the data remains and evaluations continue', async () => {
    const server = await startProcess({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY },
      under: ['bash', '-c', 'ulimit -f 400; exec "$@"', '--'],
    });
    const stored: string[] = [];
    let rejected: Response | undefined;
    for (let i = 0; i < 2_000 && rejected === undefined; i += 1) {
      const response = await create(server.url, KEY, `flag-${i}`);
      if (response.status === 201) stored.push(`flag-${i}`);
      else rejected = response;
    }
    expect(rejected?.status).toBe(503);
    const big = { description: 'x'.repeat(1_000) };
    for (const [method, path, body] of [
      ['PATCH', '/api/v1/flags/flag-0', big],
      ['DELETE', '/api/v1/flags/flag-0', undefined],
      ['POST', '/api/v1/keys', { name: 'k', role: 'viewer', environment: 'production' }],
      ['POST', '/api/v1/environments', { key: 'more' }],
      [
        'POST',
        '/trpc/flags.create',
        { environment: 'production', key: 'g', enabled: true, ...big },
      ],
      [
        'POST',
        '/trpc/flags.create?batch=1',
        { 0: { environment: 'production', key: 'g', enabled: true, ...big } },
      ],
    ] as const)
      await expectFull(server.url, method, path, body);
    expect(server.log()).toContain(`${data}/pennon.db cannot grow`);
    expect((await flagKeys(server.url, KEY)).toSorted()).toEqual(stored.toSorted());
    await server.stop();
    const again = await startProcess({ env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY } });
    expect((await flagKeys(again.url, KEY)).toSorted()).toEqual(stored.toSorted());
    await again.stop();
  });
});
