import { OpenFeature } from '@openfeature/server-sdk';
import { defaultRuntime } from '@pennon/sync';

import { PennonProvider } from '../../src/index.ts';

/**
 * Stops itself as soon as it has a stream. When it is continued, it prints for how long it was stopped, what its first
 * evaluation of the flag `live` then reports, and the result of a refresh after it. Time runs ten times as fast,
 * because a stream may be silent for 30 s.
 */
const FASTER = 10;
const REFRESH_MS = 60_000 * FASTER;

const monotonic = () => performance.now() * FASTER;
const print = (text: string) => void process.stdout.write(`${text}\n`);

OpenFeature.setLogger({
  error: () => undefined,
  warn: message => print(`warned ${String(message)}`),
  info: () => undefined,
  debug: () => undefined,
});
const provider = new PennonProvider(JSON.parse(process.argv[2] ?? '{}'), {
  monotonic,
  setTimer: (ms, callback) => defaultRuntime.setTimer(ms / FASTER, callback),
});
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();

const evaluate = () => {
  const { reason, ...result } = provider.evaluate('live');
  const value = 'value' in result ? JSON.stringify(result.value) : reason;
  return `${client.providerStatus} ${provider.freshness().mode} ${value}`;
};

const stop = async () => {
  const stoppedAt = performance.now();
  process.kill(process.pid, 'SIGSTOP');
  const stoppedMs = Math.round(performance.now() - stoppedAt);
  print(`thawed ${stoppedMs} ${evaluate()}`);
  const isCurrent = await provider.refresh({ timeoutMs: REFRESH_MS });
  print(`refreshed ${isCurrent} ${evaluate().split(' ').at(-1)}`);
};
let hasEvaluated = false;
const whileStreaming = setInterval(() => {
  if (provider.freshness().mode !== 'streaming') return;
  if (hasEvaluated) {
    clearInterval(whileStreaming);
    void stop();
  } else evaluate();
  // The first evaluation is slow, and a pause is noticed in another turn of the event loop.
  hasEvaluated = true;
}, 20);
