import { Agent, request } from 'node:http';

// Thousands of clients in a process of their own, each following one flag set as a provider does.
// Arguments: URL, key, how many. Says how many are live whenever that was asked for.

const [, , url = '', key = '', count = '0'] = process.argv;
const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

type Client = { live: boolean; id: string | undefined; failures: number };
const clients: Client[] = [];
const refusals = new Map<string, number>();

/** Full jitter and growing back-off: a herd that was frightened together does not come back together. */
const again = (client: Client): void => {
  const longest = Math.min(FIRST_WAIT_MS * 2 ** client.failures, LONGEST_WAIT_MS);
  client.failures += 1;
  setTimeout(() => follow(client), Math.random() * longest);
};

const follow = (client: Client): void => {
  const headers = {
    authorization: `Bearer ${key}`,
    ...(client.id === undefined ? {} : { 'last-event-id': client.id }),
  };
  const asked = request(url, { agent, headers }, response => {
    if (response.statusCode !== 200) {
      const status = String(response.statusCode);
      refusals.set(status, (refusals.get(status) ?? 0) + 1);
      response.resume();
    }
    response.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      if (!/^event: (set|current|change)/m.test(text)) return;
      client.id = /^id: (\S+)/m.exec(text)?.[1] ?? client.id;
      client.live = true;
      client.failures = 0;
    });
    response.once('close', () => {
      client.live = false;
      again(client);
    });
    response.on('error', () => undefined);
  });
  asked.on('error', () => again(client));
  asked.end();
};

for (let i = 0; i < Number(count); i += 1) {
  const client = { live: false, id: undefined, failures: 0 };
  clients.push(client);
  again(client);
}

process.on('message', message => {
  if (message !== 'live') return;
  const live = clients.filter(client => client.live);
  const ids = new Set(live.map(({ id }) => id));
  process.send?.({ live: live.length, ids: [...ids], refusals: Object.fromEntries(refusals) });
});
process.on('disconnect', () => process.exit(0));
