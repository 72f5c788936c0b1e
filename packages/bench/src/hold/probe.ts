/** Loaded into the server before its own code: reports the longest time that its event loop stood still. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
process.on('message', () => {
  process.send?.({ longestMs: delay.max / 1e6 });
  delay.reset();
});
