/** Sends requests over several connections, as a process of its own. Used if `wrk` is not installed. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

const [, , url = '', path = '', file = '', seconds = '1', connections = '1', key = ''] =
  process.argv;
const bodies = readFileSync(file, 'utf8').trim().split('\n');
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const headers = {
  'content-type': 'application/json',
  ...(key === '' ? {} : { authorization: `Bearer ${key}` }),
};

let sent = 0;
let errors = 0;
const durations: number[] = [];

const send = (): Promise<void> => {
  const body = bodies[sent % bodies.length] ?? '';
  sent += 1;
  const start = performance.now();
  return new Promise(resolve => {
    const length = { 'content-length': Buffer.byteLength(body) };
    const options = { agent, method: 'POST', headers: { ...headers, ...length } };
    const sending = request(url + path, options, response => {
      if (response.statusCode !== 200) errors += 1;
      response.resume().once('end', () => {
        durations.push(performance.now() - start);
        resolve();
      });
    });
    sending.once('error', () => {
      errors += 1;
      resolve();
    });
    sending.end(body);
  });
};

const start = performance.now();
const end = start + Number(seconds) * 1_000;
const connection = async (): Promise<void> => {
  while (performance.now() < end) await send();
};
await Promise.all(Array.from({ length: Number(connections) }, connection));
const elapsed = (performance.now() - start) / 1_000;
agent.destroy();
durations.sort((a, b) => a - b);
const percentile = (share: number) => durations[Math.floor(durations.length * share)] ?? 0;
console.log(
  JSON.stringify({
    requests: durations.length,
    seconds: elapsed,
    p50: percentile(0.5),
    p99: percentile(0.99),
    errors,
  }),
);
