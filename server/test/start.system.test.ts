import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
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

import { startInVain, startProcess, withoutRoot } from './support/process.ts';
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
  it('writes a key for its owner alone, prints its path and not the key, and a curl line that works', async () => {
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

  it('leads nobody to a key that was revoked since', async () => {
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

  it('takes PENNON_ADMIN_KEY at every start, in place of the one before, and never prints it', async () => {
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

describe('stopping', () => {
  it('SIGTERM drains, with streams open, and exits 0', async () => {
    const server = await startProcess({ env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY } });
    const stream = await openSse(`${server.url}/api/v1/flag-set/stream?environment=production`, {
      key: KEY,
    });
    expect(await stream.next()).toMatchObject({ event: 'set' });
    const stopped = server.stop('SIGTERM');
    expect(await stream.next()).toBeUndefined();
    expect(await stopped).toBe(0);
  });

  it('SIGKILL during a thousand writes loses no acknowledged one', async () => {
    const env = { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY, PENNON_RATE_LIMIT: '0' };
    const server = await startProcess({ env });
    const acknowledged: string[] = [];
    const write = async (worker: number) => {
      for (let i = worker; i < 1_000; i += 10) {
        const answer = await create(server.url, KEY, `flag-${i}`).catch(() => undefined);
        if (answer?.status === 201) acknowledged.push(`flag-${i}`);
        if (acknowledged.length === 300) server.child.kill('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: 10 }, (_, worker) => write(worker)));
    expect(await server.stop('SIGKILL')).toBe('SIGKILL');
    expect(acknowledged.length).toBeGreaterThanOrEqual(300);
    const again = await startProcess({ env });
    const kept = new Set(await flagKeys(again.url, KEY));
    expect(acknowledged.filter(key => !kept.has(key))).toEqual([]);
    await again.stop();
  });
});

describe('bad days', () => {
  const expectRefusal = async (env: Record<string, string>, message: RegExp) => {
    const { code, output } = await startInVain({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY, ...env },
    });
    expect([code, output]).toEqual([1, expect.stringMatching(message)]);
    expect(output).not.toMatch(/\n\s+at /);
    expect(output).not.toContain(KEY);
  };
  const filled = async () => {
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
  ])('a wrong %s names the variable and not the value', async (name, value) => {
    await expectRefusal({ [name]: value }, new RegExp(`${name}: must`));
  });

  it('a PENNON_DATA that is a file says so', async () => {
    const message = /PENNON_DATA: \/dev\/null is no directory/;
    await expectRefusal({ PENNON_DATA: '/dev/null' }, message);
    await expectRefusal({ PENNON_DATA: '/dev/null/pennon/data' }, message);
  });

  it('a port that is taken says so', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise(resolve => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    await expectRefusal({ PORT: String(port) }, new RegExp(`port ${port} .* taken`));
    other.close();
  });

  it('data that another server owns is refused, and the other goes on', async () => {
    const server = await filled();
    await expectRefusal({}, /in use|another/i);
    expect(await flagKeys(server.url, KEY)).toEqual(['kept']);
    await server.stop();
  });

  it('data from a newer version is refused', async () => {
    await (await filled()).stop();
    const file = new DatabaseSync(join(data, 'pennon.db'));
    file.exec('PRAGMA user_version = 999');
    file.close();
    await expectRefusal({}, /newer/i);
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, 5_000)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    [
      'overwritten',
      (path: string) => writeFileSync(path, 'this is no database, and never was one'.repeat(500)),
    ],
    ['gone', (path: string) => rmSync(path)],
  ])('data that was %s is refused and never begun anew', async (_, damage) => {
    await (await startProcess({ env: { PENNON_DATA: data } })).stop();
    const path = join(data, 'pennon.db');
    damage(path);
    const { code, output } = await startInVain({ env: { PENNON_DATA: data } });
    expect([code, output]).toEqual([1, expect.stringMatching(/backup/i)]);
  });

  it('a directory that is read-only is refused', async () => {
    const parent = join(data, '..');
    chmodSync(parent, 0o555);
    const { code, output } = await startInVain({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY },
      under: withoutRoot,
    });
    chmodSync(parent, 0o755);
    expect([code, output]).toEqual([1, expect.stringContaining(data)]);
    expect(existsSync(data)).toBe(false);
  });

  it('a full disk refuses writes with 503, keeps what there is and goes on evaluating', async () => {
    const server = await startProcess({
      env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY },
      under: ['bash', '-c', 'ulimit -f 400; exec "$@"', '--'],
    });
    const kept: string[] = [];
    let refused: Response | undefined;
    for (let i = 0; i < 2_000 && refused === undefined; i += 1) {
      const answer = await create(server.url, KEY, `flag-${i}`);
      if (answer.status === 201) kept.push(`flag-${i}`);
      else refused = answer;
    }
    expect(refused?.status).toBe(503);
    expect(await refused?.json()).toMatchObject({
      error: { message: expect.stringMatching(/full|space/i) },
    });
    expect((await flagKeys(server.url, KEY)).toSorted()).toEqual(kept.toSorted());
    await server.stop();
    const again = await startProcess({ env: { PENNON_DATA: data, PENNON_ADMIN_KEY: KEY } });
    expect((await flagKeys(again.url, KEY)).toSorted()).toEqual(kept.toSorted());
    await again.stop();
  });
});
