import { Agent, request } from 'node:http';

// A process with thousands of clients that each follow one flag set as a provider does.
// Arguments: URL, key, number of clients. Sends the numbers of live and of ended streams for each `status` message.

const [, , url = '', key = '', count = '0'] = process.argv;
const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 8_000;

type Client = { live: boolean; id: string | undefined; failures: number };
const clients: Client[] = [];
const rejections = new Map<string, number>();
/** How many live streams have ended. */
let ended = 0;

/** Full jitter and growing back-off, so that clients cut together do not reconnect together. */
const reconnect = (client: Client): void => {
  const maxDelay = Math.min(MIN_BACKOFF_MS * 2 ** client.failures, MAX_BACKOFF_MS);
  client.failures += 1;
  setTimeout(() => follow(client), Math.random() * maxDelay);
};

const follow = (client: Client): void => {
  const headers = {
    authorization: `Bearer ${key}`,
    ...(client.id === undefined ? {} : { 'last-event-id': client.id }),
  };
  const outgoing = request(url, { agent, headers }, response => {
    if (response.statusCode !== 200) {
      const status = String(response.statusCode);
      rejections.set(status, (rejections.get(status) ?? 0) + 1);
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
      if (client.live) ended += 1;
      client.live = false;
      reconnect(client);
    });
    response.on('error', () => undefined);
  });
  outgoing.on('error', () => reconnect(client));
  outgoing.end();
};

for (let i = 0; i < Number(count); i += 1) {
  const client = { live: false, id: undefined, failures: 0 };
  clients.push(client);
  reconnect(client);
}

process.on('message', message => {
  if (message !== 'status') return;
  const live = clients.filter(client => client.live);
  const ids = new Set(live.map(({ id }) => id));
  process.send?.({
    live: live.length,
    ended,
    ids: [...ids],
    rejections: Object.fromEntries(rejections),
  });
});
process.on('disconnect', () => process.exit(0));
