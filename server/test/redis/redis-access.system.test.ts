import { readFileSync } from 'node:fs';

import { afterAll, describe, expect, it } from 'vitest';

import type { Store } from '../../src/store/store.ts';
import { flag, flags, neverAborted, newLedger, take, write } from '../store/fixtures.ts';
import { freePorts, startCluster, startRedis, startSentinels } from './processes.ts';
import { removeDirectories, startServerOn } from './servers.ts';
import { openStore } from './store.ts';

const fixture = (name: string) => new URL(`certificate/${name}`, import.meta.url).pathname;
const certificate = fixture('certificate.pem');

/** Writes, follows and reads: everything that a server does. */
const expectWorking = async (store: Store): Promise<void> => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, {});
  const changes = take(store.follow(ledger, id, neverAborted()), 1);
  const change = await write(store, ledger, flags(flag('a')));
  expect(await changes).toEqual([change]);
  expect((await store.read(ledger))?.id).toBe(change.id);
  await store.ping();
  const said = {
    id: 's',
    version: '1',
    startedAt: '',
    revisions: {},
    streams: 0,
    degradedSeconds: 0,
  };
  await store.heartbeat(said, 1_000);
  await store.leave('s');
  expect(await store.audit(ledger, { limit: 1 })).toEqual([]);
  await store.drop(ledger);
};

const refusal = async (store: Store): Promise<string> => {
  const said: unknown[] = [];
  for (const ask of [
    store.head(newLedger()),
    take(store.follow(newLedger(), 'none', neverAborted()), 1),
  ])
    await ask.catch((error: Error) =>
      said.push(error.message, error.stack, JSON.stringify(error), error.cause),
    );
  expect(said).toHaveLength(8);
  return said.join('\n');
};

describe('over TLS', async () => {
  const [port = 0] = await freePorts(1);
  const redis = await startRedis({
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': certificate,
    'tls-key-file': fixture('key.pem'),
    'tls-ca-cert-file': certificate,
    'tls-auth-clients': 'no',
  });
  afterAll(() => redis.remove());

  it('the store works where the certificate is trusted', async () => {
    const store = await openStore(`rediss://localhost:${port}`, {
      tls: { ca: readFileSync(certificate) },
    });
    await expectWorking(store);
    await store.close();
  });

  it('a server trusts the authority in NODE_EXTRA_CA_CERTS', async () => {
    const server = await startServerOn(`rediss://localhost:${port}`, {
      NODE_EXTRA_CA_CERTS: certificate,
    });
    const { body } = await server.ask('GET', '/readyz');
    expect(body).toEqual({ status: 'ready' });
    await server.stop();
    removeDirectories();
  });

  it('a certificate that is not trusted is refused, and the message says so', async () => {
    const store = await openStore(`rediss://localhost:${port}`);
    expect(await refusal(store)).toMatch(
      /rediss:\/\/localhost:[0-9]+ cannot be reached \(.*certificate/,
    );
    await store.close();
  });
});

/** All that a user of Pennon's own needs, as the README tells it. */
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const [, PERMISSIONS = ''] = /^ACL SETUSER pennon on >secret ~pennon:\* (.*)$/m.exec(readme) ?? [];

describe('with user and password', async () => {
  const redis = await startRedis();
  afterAll(() => redis.remove());
  redis.cli('acl', 'setuser', 'pennon', 'on', '>p@ss:/%', '~pennon:*', ...PERMISSIONS.split(' '));
  redis.cli('config', 'set', 'requirepass', 'nobody-knows');

  it('the store works, with no more permissions than the README names', async () => {
    const store = await openStore(`redis://pennon:p%40ss%3A%2F%25@127.0.0.1:${redis.port}`);
    await expectWorking(store);
    await store.close();
  });

  it.each(['pennon:wr0ng-secret', 'nobody:wr0ng-secret', ':wr0ng-secret'])(
    '%s is refused, and no message shows the password',
    async credentials => {
      const store = await openStore(`redis://${credentials}@127.0.0.1:${redis.port}`);
      const said = await refusal(store);
      expect(said).toContain('WRONGPASS');
      expect(said).not.toContain('wr0ng');
      await store.close();
    },
  );

  it('a password that is missing is said to be', async () => {
    const store = await openStore(`redis://127.0.0.1:${redis.port}`);
    expect(await refusal(store)).toContain('NOAUTH');
    await store.close();
  });
});

describe('a user who lacks a permission', async () => {
  const redis = await startRedis({ 'enable-debug-command': 'local' });
  afterAll(() => redis.remove());
  const permit = (...rules: readonly string[]) => redis.cli('acl', 'setuser', 'pennon', ...rules);
  permit('on', '>secret', '~pennon:*', ...PERMISSIONS.split(' '));

  it.each(['xadd', 'hset', 'hdel', 'zadd', 'zrem', 'unlink'])(
    'without %s a commit is refused as a whole, and made once that is given',
    async command => {
      const store = await openStore(`redis://pennon:secret@127.0.0.1:${redis.port}`);
      const ledger = newLedger();
      const { id } = await write(store, ledger, flags(flag('a')));
      const commit = { expect: id, writes: flags(flag('a', { enabled: false })), audit: [] };
      permit(`-${command}`);
      const before = redis.cli('debug', 'digest');
      await expect(store.commit(ledger, commit)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(RegExp(`${command} on pennon:.*give the user`, 'i')),
      });
      expect(redis.cli('debug', 'digest')).toBe(before);
      permit(`+${command}`);
      expect(await store.commit(ledger, commit)).toMatchObject({ committed: true });
      await store.close();
    },
  );
});

describe('behind Sentinels with passwords', async () => {
  const passwords = { redis: 'red1s', sentinel: 's3ntinel' };
  const redis = await startSentinels({ passwords });
  afterAll(() => redis.remove());
  const urlWith = (redisPassword: string, sentinelPassword: string) =>
    `${redis.url.replace('://', `://:${redisPassword}@`)}?sentinelPassword=${sentinelPassword}`;

  it('the store works with both of them', async () => {
    const store = await openStore(urlWith(passwords.redis, passwords.sentinel));
    await expectWorking(store);
    await store.close();
  });

  it.each([
    ['wr0ng-secret', passwords.sentinel],
    [passwords.redis, 'wr0ng-secret'],
  ])(
    'and with a wrong one says so, and not which it was',
    async (redisPassword, sentinelPassword) => {
      const store = await openStore(urlWith(redisPassword, sentinelPassword));
      const said = await refusal(store);
      expect(said).toContain('WRONGPASS');
      expect(said).not.toMatch(/wr0ng|red1s|s3ntinel/);
      await store.close();
    },
  );
});

describe('in a Cluster with a password', async () => {
  const redis = await startCluster({ password: 'c1uster' });
  afterAll(() => redis.remove());

  it('the store works', async () => {
    const store = await openStore(redis.url.replace('://', '://:c1uster@'));
    await expectWorking(store);
    await store.close();
  });

  it('and with a user who has no more permissions than the README names', async () => {
    for (const node of redis.nodes)
      node.cli('acl', 'setuser', 'pennon', 'on', '>secret', '~pennon:*', ...PERMISSIONS.split(' '));
    const store = await openStore(redis.url.replace('://', '://pennon:secret@'));
    await expectWorking(store);
    await store.close();
  });

  it('and with a wrong one says so, and not which it was', async () => {
    const store = await openStore(redis.url.replace('://', '://:wr0ng-secret@'));
    expect(await refusal(store)).not.toContain('wr0ng');
    await store.close();
  });
});
