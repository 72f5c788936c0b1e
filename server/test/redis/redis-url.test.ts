import { describe, expect, it } from 'vitest';

import { describeAddress, parseRedisUrl } from '../../src/store/redis/url.ts';
import { addressOf } from './store.ts';

const node = (host: string, port: number) => ({ host, port });
const open = { tls: false, username: undefined, password: undefined };
const noSentinelUser = { sentinelUsername: undefined, sentinelPassword: undefined };

describe('a REDIS_URL', () => {
  it.each([
    [
      'redis://flags.internal',
      { ...open, form: 'single', nodes: [node('flags.internal', 6379)], database: 0 },
    ],
    [
      'redis://10.0.0.1:7000/3',
      { ...open, form: 'single', nodes: [node('10.0.0.1', 7000)], database: 3 },
    ],
    ['redis://[::1]:7000/', { ...open, form: 'single', nodes: [node('::1', 7000)], database: 0 }],
    [
      'rediss://ada:p%40ss%3A%2F@h',
      {
        tls: true,
        username: 'ada',
        password: 'p@ss:/',
        form: 'single',
        nodes: [node('h', 6379)],
        database: 0,
      },
    ],
    [
      'redis://:only-a-password@h',
      {
        ...open,
        password: 'only-a-password',
        form: 'single',
        nodes: [node('h', 6379)],
        database: 0,
      },
    ],
    [
      'redis+sentinel://a,b/flags',
      {
        ...open,
        ...noSentinelUser,
        form: 'sentinel',
        nodes: [node('a', 26_379), node('b', 26_379)],
        master: 'flags',
        database: 0,
      },
    ],
    [
      'rediss+sentinel://u:p@a/flags/2?sentinelUsername=s&sentinelPassword=t%26',
      {
        tls: true,
        username: 'u',
        password: 'p',
        sentinelUsername: 's',
        sentinelPassword: 't&',
        form: 'sentinel',
        nodes: [node('a', 26_379)],
        master: 'flags',
        database: 2,
      },
    ],
    [
      'redis+cluster://:p@a:7000,b:7001,a:7001',
      {
        ...open,
        password: 'p',
        form: 'cluster',
        nodes: [node('a', 7000), node('b', 7001), node('a', 7001)],
      },
    ],
  ])('%s is parsed', (url, address) => {
    expect(parseRedisUrl(url)).toEqual({ address });
  });

  it.each([
    ['http://h', 'must look like'],
    ['h:6379', 'must look like'],
    ['redis://', 'must look like'],
    ['redis://h:port', 'must look like'],
    ['redis://user:p@ss@h', 'must look like'],
    ['redis://u:100%@h', 'percent-encoded'],
    ['redis://h:0', '1 and 65535'],
    ['redis://h:65536', '1 and 65535'],
    ['redis://h/flags', 'not a number'],
    ['redis://a,b', 'redis+sentinel:// or redis+cluster://'],
    ['redis+sentinel://a,b', 'must name the master'],
    ['redis+sentinel://a/flags/0/more', 'must name the master'],
    ['redis+sentinel://a/flags?role=slave', 'unknown parameter'],
    ['redis+cluster://a/1', 'one database'],
    ['redis://h?db=1', 'unknown parameter'],
    ['redis://a..b', 'neither an IP address nor a host name'],
    ['redis://256.1.1.1', 'neither an IP address nor a host name'],
    ['redis://[127.0.0.1]', 'neither an IP address nor a host name'],
    ['redis://u%20v:p@h', 'a user with white space'],
    ['redis+cluster://a:7000,b', 'the port of each'],
    ['redis+cluster://a:7000,b:7000,A:7000', 'the same host and port twice'],
    ['redis+sentinel://a,a:26379/m', 'the port of each'],
    ['redis+sentinel://a/m*', 'as Sentinel requires'],
    ['redis+sentinel://a/m%20n', 'as Sentinel requires'],
    ['redis+sentinel://a/m?sentinelUsername=u', 'needs a sentinelPassword'],
    ['redis+sentinel://a/m?sentinelPassword=', 'needs a sentinelPassword'],
  ])('%s is rejected with the reason', (url, reason) => {
    expect(parseRedisUrl(url)).toEqual({ problem: expect.stringContaining(reason) });
  });

  it('is never repeated in an error, because it may contain a password', () => {
    for (const url of [
      'redis://u:secret@h:port',
      'redis://u:secret@a,b',
      'redis://u:secret@h/x',
      'http://secret@h',
    ])
      expect(JSON.stringify(parseRedisUrl(url))).not.toContain('secret');
  });

  it('is described without credentials', () => {
    const described = (url: string) => describeAddress(addressOf(url));
    expect(described('rediss://u:p@h')).toBe('rediss://h:6379');
    expect(described('redis://[::1]:7000')).toBe('redis://[::1]:7000');
    expect(described('redis+sentinel://u:p@a,b/flags?sentinelPassword=x')).toBe(
      'redis+sentinel://a:26379,b:26379/flags',
    );
    expect(described('redis://u:p@h/3')).toBe('redis://h:6379/3');
    expect(described('redis+sentinel://a/flags/2')).toBe('redis+sentinel://a:26379/flags/2');
    expect(described('redis+cluster://u:p@a,b')).toBe('redis+cluster://a:6379,b:6379');
  });
});
