import { OpenFeature } from '@openfeature/server-sdk';
import { defaultRuntime } from '@pennon/sync';

import { PennonProvider } from '../../src/index.ts';

/**
 * Evaluates the flag `live` five times a second. Prints what the first evaluation after a pause reports, and the
 * result of a refresh after it. Time runs ten times as fast, because a stream may be silent for 30 s.
 */
const FASTER = 10;
const PAUSE_MS = 1_500;

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

let lastTime = performance.now();
const evaluateAgain = async () => {
  const time = performance.now();
  const pauseMs = time - lastTime;
  lastTime = time;
  const current = evaluate();
  if (pauseMs < PAUSE_MS) return;
  print(`thawed ${current}`);
  const isCurrent = await provider.refresh({ timeoutMs: 20_000 });
  print(`refreshed ${isCurrent} ${evaluate().split(' ').at(-1)}`);
};
const whileStreaming = setInterval(() => {
  if (provider.freshness().mode !== 'streaming') return;
  clearInterval(whileStreaming);
  // Its first evaluation, which is slow, must be over before a pause.
  evaluate();
  lastTime = performance.now();
  // Rarely enough that a signal does not stop the process in the middle of an evaluation.
  setInterval(() => void evaluateAgain(), 200);
  // Last, because a signal follows.
  print('streaming');
}, 20);
