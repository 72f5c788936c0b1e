const KEY = 'the-admin-key-of-a-benchmark';

/** A server with the console and its flags. */
export type Project = { readonly url: string; readonly flags: number };

const ENVIRONMENTS = ['development', 'qa', 'staging', 'canary', 'production'];
const AREAS = ['checkout', 'search', 'profile', 'invoice', 'cart', 'login', 'chart', 'mail'];
const CHANGES = ['new', 'fast', 'compact', 'regional', 'cached', 'beta'];
const OWNERS = ['Ada Lovelace', 'Grace Hopper', 'Alan Turing'];
const AT = '2026-01-01T00:00:00.000Z';

const pick = (list: readonly string[], index: number): string => list[index % list.length] ?? '';

const flag = (index: number, environment: number) => {
  const area = pick(AREAS, index);
  const change = pick(CHANGES, Math.floor(index / AREAS.length));
  const key = `${change}-${area}-${index}`;
  return {
    key,
    seed: key,
    name: `${change} ${area}`,
    type: 'boolean',
    enabled: (index + environment) % 3 > 0,
    variants: { on: true, off: false },
    defaultVariant: 'off',
    rules: [
      {
        id: 'rule-1',
        conditions: [{ attribute: 'plan', operator: 'in', value: ['pro', 'team'] }],
        variant: 'on',
        percentage: 50,
      },
    ],
    tags: [area],
    metadata: {},
    clientVisible: false,
    owner: pick(OWNERS, index),
    version: 1,
    createdAt: AT,
    updatedAt: AT,
  };
};

/** Imports flags into five environments, one after the other. */
export const importFlags = async ({ url, flags }: Project): Promise<void> => {
  for (const [number, key] of ENVIRONMENTS.entries()) {
    const all = Array.from({ length: flags }, (_, index) => flag(index, number));
    const response = await fetch(`${url}/api/v1/import?overwrite=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        formatVersion: 1,
        environments: [{ key, createdAt: AT, flags: all, segments: [] }],
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
  }
};

const BUILD_MS = 60_000;
const POLL_MS = 250;

/** Waits until the server has built the console. Until then its page loads itself again and again. */
export const waitForConsole = async (url: string): Promise<void> => {
  const end = Date.now() + BUILD_MS;
  for (;;) {
    const response = await fetch(`${url}/flags`, { headers: { accept: 'text/html' } });
    await response.text();
    if (response.ok && !response.headers.has('refresh')) return;
    if (Date.now() > end) throw new Error(`${url} has no console: ${response.status}`);
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
};

export const SERVER_SETTINGS = {
  HOST: '127.0.0.1',
  PORT: '0',
  PENNON_CONSOLE: 'on',
  PENNON_DATA: ':memory:',
  PENNON_ADMIN_KEY: KEY,
  PENNON_BODY_LIMIT: String(64 * 1_048_576),
  PENNON_RATE_LIMIT: '0',
  LOG_LEVEL: 'fatal',
};
