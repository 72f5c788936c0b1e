import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { systemClock } from '../src/clock.ts';
import { runCommand } from '../src/commands.ts';
import { ConfigError, readConfig } from '../src/config.ts';
import { secureRandom } from '../src/random.ts';

const REDIS = { REDIS_URL: 'redis://h' };

it.each([
  'localhost',
  'flags.internal',
  'my_host',
  'localhost.',
  '0.0.0.0',
  '::',
  '::1',
  'fe80::1%eth0',
])('HOST=%s is accepted', host => {
  expect(readConfig({ HOST: host }).host).toBe(host);
});

/** Values that would fail late, be ignored, or mean something else than they look like. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  PORT: [
    '1',
    '25',
    '6000',
    '6665',
    '6669',
    '10080',
    ' 80',
    '80 ',
    '+80',
    '-1',
    '80.0',
    '0x50',
    '1e3',
    '65536',
    'http',
    '１２',
  ],
  HOST: [
    ' ',
    '127.0.0.1 ',
    '127.0.0.1:4400',
    '[::1]',
    '[::1]:4400',
    'http://127.0.0.1',
    'a b',
    '*',
    'a/b',
    'user@h',
    '256.1.1.1',
    '127.1',
    '0.0.0.0,::',
    'a..b',
    '.a',
    'a.-b',
    'a.7',
    'a.0x7f',
    `${'a'.repeat(64)}.b`,
    'a.'.repeat(127),
  ],
  PENNON_DATA: [
    ' ',
    './data ',
    ':memory: ',
    ':MEMORY:',
    '~/data',
    '$HOME/data',
    '/tmp/\0data',
    '/tmp/da\nta',
    'file:data',
    'file:/data',
    'file:///data?mode=ro',
    'file:///data#1',
    'file://host/data',
    'sqlite:data',
    'http://h/data',
    'redis://h',
    '"./data"',
    "'./data'",
  ],
  REDIS_URL: [
    'h:6379',
    ' redis://h',
    'redis://h ',
    'http://h',
    'redis://h?db=1',
    'redis://h#1',
    'redis://h/one',
    'redis://user@h',
    'redis+sentinel://h/m?sentinelPassword=a&sentinelPassword=b',
  ],
  PENNON_EVENTS_REDIS_URL: ['h:6379', 'http://h', 'redis://h#1', ':memory:'],
  PENNON_REDIS_PREFIX: ['*', 'a b', '{a}', 'ä'],
  PENNON_AUDIT_MAX_ENTRIES: ['-1', '1k', 'all'],
  PENNON_INIT: ['1', 'true', 'Empty'],
  PENNON_WORKERS: ['0', '65', 'auto', '2.5'],
  PENNON_ADMIN_KEY: [
    'short',
    ' '.repeat(30),
    'ä'.repeat(30),
    'a'.repeat(513),
    `"${'a'.repeat(30)}"`,
  ],
  LOG_LEVEL: ['INFO', ' info', 'warning', '30'],
  PENNON_RATE_LIMIT: ['-1', '0.5', 'off', '5,000'],
  PENNON_TRUST_PROXY: ['true', '127.0.0.1', 'loopback', '17'],
  PENNON_BASE_PATH: [
    '/',
    'flags',
    '/flags/',
    '/a//b',
    '/..',
    '/a%20b',
    '/a?b',
    'http://h/flags',
    '/healthz',
    '/readyz/x',
    '/metrics',
    '/flags/docs',
    '/trpc',
    '/openapi.json',
    '/flags/api/v1',
  ],
  PENNON_BODY_LIMIT: ['1mb', '1', '-1', '67108865'],
  PENNON_MAX_FLAGS: ['0', '10k'],
  PENNON_EVENTS_LOG_MIB: ['0', '1.5', '1048577'],
  PENNON_EVENTS_UNITS: ['Clear', 'no'],
  PENNON_MAX_SEGMENTS: ['0', 'all'],
  PENNON_MAX_FLAG_SET_BYTES: ['0', '64MiB', '268435457'],
  PENNON_MAX_STREAMS: ['0', '-1', 'none'],
  PENNON_MAX_STREAMS_PER_ADDRESS: ['-1', 'none'],
  PENNON_MAX_CONNECTIONS: ['0', '-1', 'none'],
  PENNON_MAX_CONNECTIONS_PER_ADDRESS: ['-1', 'none'],
  PENNON_IPV6_PREFIX: ['/64', '0', '129'],
  PENNON_READY_MAX_SOURCE_AGE: ['-1', '60s', '86401'],
  PENNON_CACHE_ENTRIES: ['-1', 'off'],
  PENNON_CACHE_BYTES: ['-1', '1', '1048575', '64MiB'],
  PENNON_CLIENT_RULE_IDS: ['yes', '2'],
  PENNON_URL: [
    'flags.example.com',
    '/flags',
    'ftp://flags.example.com',
    'https://flags.example.com?a=1',
    'https://flags.example.com#a',
    'https://user@flags.example.com',
    'https://flags.example.com ',
  ],
  PENNON_OIDC_ISSUER: [
    'login.example.com',
    'http://login.example.com',
    'http://127.0.0.1.example.com',
    'https://login.example.com?a=1',
  ],
  PENNON_OIDC_CLIENT_ID: ['ä', 'a\nb', 'pennon'],
  PENNON_OIDC_CLIENT_SECRET: ['secret'],
  PENNON_OIDC_CLIENT_SECRET_FILE: ['/dev/null'],
  PENNON_OIDC_SCOPES: ['profile email', 'openid  email', ' openid', 'openid,email', 'openid email'],
  PENNON_OIDC_GROUPS_CLAIM: ['roles'],
  PENNON_OIDC_NAME: ['a'.repeat(61), 'Okta'],
};

it.each(
  Object.entries(REFUSED).flatMap(([name, values]) => values.map(value => ({ name, value }))),
)('$name=$value is refused', ({ name, value }) => {
  const read = () => readConfig({ ...REDIS, [name]: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(new RegExp(`^invalid setting: ${name}: (must|has)`));
});

it.each([
  [
    { PENNON_EVENTS_REDIS_URL: 'redis://h' },
    'PENNON_EVENTS_REDIS_URL: has no effect without Redis',
  ],
  [{ PENNON_REDIS_PREFIX: 'flags' }, 'PENNON_REDIS_PREFIX: has no effect without Redis'],
  [{ PENNON_AUDIT_MAX_ENTRIES: '5' }, 'PENNON_AUDIT_MAX_ENTRIES: has no effect without Redis'],
  [{ PENNON_INIT: 'empty' }, 'PENNON_INIT: has no effect without Redis'],
  [{ PENNON_WORKERS: '2' }, 'PENNON_WORKERS: more than one process requires a shared store'],
  [
    { PENNON_MAX_STREAMS: '20000' },
    'PENNON_MAX_STREAMS: must be at most PENNON_MAX_CONNECTIONS, which is 15000',
  ],
  [
    { PENNON_MAX_STREAMS: '10000', PENNON_MAX_CONNECTIONS: '1000' },
    'PENNON_MAX_STREAMS: must be at most PENNON_MAX_CONNECTIONS, which is 1000',
  ],
  [
    { PENNON_MAX_STREAMS_PER_ADDRESS: '700', PENNON_MAX_CONNECTIONS: '1000' },
    'PENNON_MAX_STREAMS_PER_ADDRESS: must be at most PENNON_MAX_STREAMS, which is 666',
  ],
  [
    { PENNON_MAX_CONNECTIONS_PER_ADDRESS: '15001' },
    'PENNON_MAX_CONNECTIONS_PER_ADDRESS: must be at most PENNON_MAX_CONNECTIONS, which is 15000',
  ],
  [
    { PENNON_READY_MAX_SOURCE_AGE: '5' },
    'PENNON_READY_MAX_SOURCE_AGE: has no effect without Redis',
  ],
  [
    { PENNON_CACHE_ENTRIES: '0', PENNON_CACHE_BYTES: '2000000' },
    'PENNON_CACHE_BYTES: has no effect with PENNON_CACHE_ENTRIES=0',
  ],
  [
    { PENNON_CACHE_BYTES: '0', PENNON_CACHE_ENTRIES: '5' },
    'PENNON_CACHE_ENTRIES: has no effect with PENNON_CACHE_BYTES=0',
  ],
  [{ pennon_data: './data' }, 'pennon_data: is not a setting; did you mean PENNON_DATA?'],
])('%j is refused, because it would be ignored', (env, message) => {
  expect(() => readConfig(env)).toThrow(message);
});

it('a lower limit of connections lowers that of streams, so that requests have connections', () => {
  const { limits } = readConfig({ PENNON_MAX_CONNECTIONS: '1000' });
  expect([limits.connections, limits.streams]).toEqual([1_000, 666]);
  expect(readConfig({ PENNON_MAX_CONNECTIONS: '1' }).limits.streams).toBe(1);
  expect(readConfig({}).limits.streams).toBe(10_000);
});

it.each([
  [['check', '--port', '80', '--port', '81'], '--port is given more than once'],
  [['check', '--data', ''], '--data has no value'],
  [['check', '--data='], '--data has no value'],
  [['check', '--port'], "Option '--port <value>' argument missing"],
])('pennon %j is not a command line', async (args, message) => {
  expect(await runCommand(args, {})).toEqual({
    exitCode: 2,
    error: expect.stringContaining(message),
  });
});

it('a PENNON_DATA that is a file is refused by every command, also beside Redis', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-settings-'));
  try {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const message = `PENNON_DATA: ${file} is not a directory`;
    for (const args of [['check'], ['backup', join(directory, 'copy')], ['restore', file]])
      expect(await runCommand([...args, '--data', file], {})).toEqual({
        exitCode: 1,
        error: `pennon: ${message}\n`,
      });
    const { store } = readConfig({ ...REDIS, PENNON_DATA: file });
    const deps = { random: secureRandom, clock: systemClock, onWarning: () => {} };
    await expect(store.open(deps)).rejects.toThrow(message);
    expect(await runCommand(['restore', directory, '--data', join(directory, 'new')], {})).toEqual({
      exitCode: 1,
      error: `pennon: ${directory} is not a file\n`,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

const OIDC = {
  PENNON_OIDC_ISSUER: 'https://login.example.com',
  PENNON_OIDC_CLIENT_ID: 'pennon',
  PENNON_URL: 'https://flags.example.com/',
};

it('a provider of OpenID Connect needs an id and the address of this server', () => {
  expect(readConfig({}).signIn.oidc).toBeUndefined();
  expect(readConfig({ ...OIDC, PENNON_OIDC_CLIENT_SECRET: 'secret' }).signIn.oidc).toEqual({
    issuer: 'https://login.example.com/',
    clientId: 'pennon',
    clientSecret: 'secret',
    scopes: 'openid profile email',
    groupsClaim: 'groups',
    name: 'SSO',
    url: 'https://flags.example.com',
  });
  const below = { PENNON_URL: 'https://example.com/flags/', PENNON_BASE_PATH: '/flags' };
  expect(readConfig({ ...OIDC, ...below }).signIn.oidc?.url).toBe('https://example.com/flags');
  const local = {
    PENNON_OIDC_ISSUER: 'http://127.0.0.1:9000',
    PENNON_URL: 'http://localhost:4400',
  };
  expect(readConfig({ ...OIDC, ...local }).signIn.oidc?.url).toBe('http://localhost:4400');
});

it.each([
  [{ PENNON_OIDC_CLIENT_ID: '' }, 'PENNON_OIDC_CLIENT_ID: must be set'],
  [{ PENNON_URL: '' }, 'PENNON_URL: must be set'],
  [{ PENNON_URL: 'https://example.com/flags' }, 'PENNON_URL: must not have a path'],
  [{ PENNON_BASE_PATH: '/flags' }, 'PENNON_URL: must end with PENNON_BASE_PATH, which is "/flags"'],
  [{ PENNON_URL: 'http://flags.example.com' }, 'PENNON_URL: must begin with https://'],
  [
    { PENNON_OIDC_CLIENT_SECRET_FILE: '/absent/secret' },
    'PENNON_OIDC_CLIENT_SECRET_FILE: must be a file that the server can read',
  ],
  [
    { PENNON_OIDC_CLIENT_SECRET_FILE: '/dev/null' },
    'PENNON_OIDC_CLIENT_SECRET_FILE: must be a file with the client secret',
  ],
  [
    { PENNON_OIDC_CLIENT_SECRET: 'a', PENNON_OIDC_CLIENT_SECRET_FILE: 'b' },
    'PENNON_OIDC_CLIENT_SECRET: has no effect with PENNON_OIDC_CLIENT_SECRET_FILE',
  ],
])('a provider of OpenID Connect is refused with %j', (env, message) => {
  expect(() => readConfig({ ...OIDC, ...env })).toThrow(message);
});

it('the client secret can be in a file, and cannot be on a command line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-settings-'));
  try {
    const file = join(directory, 'secret');
    writeFileSync(file, 'from-a-file\n');
    const env = { ...OIDC, PENNON_OIDC_CLIENT_SECRET_FILE: file };
    expect(readConfig(env).signIn.oidc?.clientSecret).toBe('from-a-file');
    expect(await runCommand(['check', '--oidc-client-secret', 's3cret'], {})).toEqual({
      exitCode: 2,
      error: expect.stringContaining('set PENNON_OIDC_CLIENT_SECRET instead'),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
