import { readFileSync } from 'node:fs';

import type { Flag } from '@pennon/schema';
import { beforeAll, describe, expect, it } from 'vitest';

import type { Store, Version } from '../../src/store/store.ts';
import { auditOf, flag, flags, neverAborted, newLedger, take, write } from '../store/fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { startCluster, startRedis, startSentinels } from './processes.ts';
import { startServerOn } from './servers.ts';
import { useProcesses, useRedis } from './setup.ts';
import { openStore } from './store.ts';

const fixture = (name: string) => new URL(`certificate/${name}`, import.meta.url).pathname;
const certificate = fixture('certificate.pem');

/** Uses every operation that a server uses. */
const expectWorking = async (store: Store): Promise<void> => {
  const ledger = newLedger();
  const { id } = await write(store, ledger, {});
  const changes = take(store.follow(ledger, id, neverAborted()), 1);
  const document = flag('a');
  const version: Version<Flag> = {
    at: document.updatedAt,
    actor: { kind: 'key', id: 'k', name: 'k' },
    action: 'flag.create',
    document,
  };
  const change = await write(store, ledger, flags(document), { versions: { flags: [version] } });
  expect(await changes).toEqual([change]);
  expect((await store.read(ledger))?.id).toBe(change.id);
  await store.ping();
  const report = {
    id: 's',
    version: '1',
    startedAt: '',
    revisions: {},
    streams: 0,
    degradedSeconds: 0,
  };
  await store.reportServer(report, 1_000);
  await store.leave('s');
  expect(await auditOf(store, ledger, { limit: 1 })).toEqual([]);
  expect(await store.versions(ledger, 'flags', { key: 'a', limit: 1 })).toEqual([version]);
  await store.clear(ledger);
  await store.drop(ledger);
};

/** Returns everything in the errors of a store that cannot connect. */
const errorTextOf = async (store: Store): Promise<string> => {
  const texts: unknown[] = [];
  for (const operation of [
    store.head(newLedger()),
    take(store.follow(newLedger(), 'none', neverAborted()), 1),
  ])
    await operation.catch((error: Error) =>
      texts.push(error.message, error.stack, JSON.stringify(error), error.cause),
    );
  expect(texts).toHaveLength(8);
  return texts.join('\n');
};

/** Expects a part in this text, and returns it: a busy machine takes longer to connect than opening the store does. */
const expectErrorText = async (store: Store, part: string | RegExp): Promise<string> => {
  let text = '';
  const read = async () => {
    text = await errorTextOf(store);
    return text;
  };
  await expect.poll(read).toMatch(part);
  return text;
};

describe('over TLS', () => {
  const redis = useProcesses(async () => {
    const port = await freePort();
    return startRedis({
      port: '0',
      'tls-port': String(port),
      'tls-cert-file': certificate,
      'tls-key-file': fixture('key.pem'),
      'tls-ca-cert-file': certificate,
      'tls-auth-clients': 'no',
    });
  });

  it('the store works with a trusted certificate', async () => {
    const store = await openStore(`rediss://localhost:${redis().port}`, {
      tls: { ca: readFileSync(certificate) },
    });
    await expectWorking(store);
    await store.close();
  });

  it('a server trusts the authority in NODE_EXTRA_CA_CERTS', async () => {
    const server = await startServerOn(`rediss://localhost:${redis().port}`, {
      NODE_EXTRA_CA_CERTS: certificate,
    });
    const { body } = await server.request('GET', '/readyz');
    expect(body).toEqual({ status: 'ready' });
    await server.stop();
  });

  it('a certificate that is not trusted is rejected, with a clear message', async () => {
    const store = await openStore(`rediss://localhost:${redis().port}`);
    await expectErrorText(store, /rediss:\/\/localhost:[0-9]+ cannot be reached \(.*certificate/);
    await store.close();
  });
});

/** The permissions that the documentation lists for a dedicated user. */
const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
const [, PERMISSIONS = ''] = /^ACL SETUSER pennon on >secret ~pennon:\* (.*)$/m.exec(page) ?? [];

describe('with user and password', () => {
  const redis = useRedis();
  beforeAll(() => {
    const server = redis();
    const permissions = PERMISSIONS.split(' ');
    server.cli('acl', 'setuser', 'pennon', 'on', '>p@ss:/%', '~pennon:*', ...permissions);
    server.cli('config', 'set', 'requirepass', 'unknown-password');
  });

  it('the store works with only the permissions that the documentation lists', async () => {
    const store = await openStore(`redis://pennon:p%40ss%3A%2F%25@127.0.0.1:${redis().port}`);
    await expectWorking(store);
    await store.close();
  });

  it.each(['pennon:wr0ng-secret', 'unknown:wr0ng-secret', ':wr0ng-secret'])(
    '%s is rejected, and no message contains the password',
    async credentials => {
      const store = await openStore(`redis://${credentials}@127.0.0.1:${redis().port}`);
      const text = await expectErrorText(store, 'WRONGPASS');
      expect(text).not.toContain('wr0ng');
      await store.close();
    },
  );

  it('a missing password is reported', async () => {
    const store = await openStore(`redis://127.0.0.1:${redis().port}`);
    await expectErrorText(store, 'NOAUTH');
    await store.close();
  });
});

describe('a user without a permission', () => {
  const redis = useRedis({ 'enable-debug-command': 'local' });
  const permit = (...rules: readonly string[]) => redis().cli('acl', 'setuser', 'pennon', ...rules);
  beforeAll(() => void permit('on', '>secret', '~pennon:*', ...PERMISSIONS.split(' ')));

  it.each(['xadd', 'hset', 'hdel', 'zadd', 'zrem', 'unlink'])(
    'without %s a commit is rejected as a whole, and accepted once it is granted',
    async command => {
      const store = await openStore(`redis://pennon:secret@127.0.0.1:${redis().port}`);
      const ledger = newLedger();
      const { id } = await write(store, ledger, flags(flag('a')));
      const commit = { expect: id, writes: flags(flag('a', { enabled: false })), audit: [] };
      permit(`-${command}`);
      const before = redis().cli('debug', 'digest');
      await expect(store.commit(ledger, commit)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringMatching(RegExp(`${command} on pennon:.*give the user`, 'i')),
      });
      expect(redis().cli('debug', 'digest')).toBe(before);
      permit(`+${command}`);
      expect(await store.commit(ledger, commit)).toMatchObject({ committed: true });
      await store.close();
    },
  );
});

describe('behind Sentinels with passwords', () => {
  const passwords = { redis: 'red1s', sentinel: 's3ntinel' };
  const redis = useProcesses(() => startSentinels({ passwords }));
  const urlWith = (redisPassword: string, sentinelPassword: string) =>
    `${redis().url.replace('://', `://:${redisPassword}@`)}?sentinelPassword=${sentinelPassword}`;

  it('the store works with both', async () => {
    const store = await openStore(urlWith(passwords.redis, passwords.sentinel));
    await expectWorking(store);
    await store.close();
  });

  it.each([
    ['wr0ng-secret', passwords.sentinel],
    [passwords.redis, 'wr0ng-secret'],
  ])(
    'a wrong one is reported, and no message contains it',
    async (redisPassword, sentinelPassword) => {
      const store = await openStore(urlWith(redisPassword, sentinelPassword));
      const text = await expectErrorText(store, 'WRONGPASS');
      expect(text).not.toMatch(/wr0ng|red1s|s3ntinel/);
      await store.close();
    },
  );
});

describe('in a Cluster with a password', () => {
  const redis = useProcesses(() => startCluster({ password: 'c1uster' }));

  it('the store works', async () => {
    const store = await openStore(redis().url.replace('://', '://:c1uster@'));
    await expectWorking(store);
    await store.close();
  });

  it('the store works for a user with only the permissions that the documentation lists', async () => {
    for (const node of redis().nodes)
      node.cli('acl', 'setuser', 'pennon', 'on', '>secret', '~pennon:*', ...PERMISSIONS.split(' '));
    const store = await openStore(redis().url.replace('://', '://pennon:secret@'));
    await expectWorking(store);
    await store.close();
  });

  it('a wrong password is reported, and no message contains it', async () => {
    const store = await openStore(redis().url.replace('://', '://:wr0ng-secret@'));
    expect(await errorTextOf(store)).not.toContain('wr0ng');
    await store.close();
  });
});
