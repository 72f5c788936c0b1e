/**
 * Loaded into the server before its own code: reports the longest time that its event loop stood still, how much CPU
 * time the longest turn took, which other processes do not disturb, and the CPU time of the process.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

const threadMs = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
};
let last = threadMs();
let longestCpuMs = 0;
setInterval(() => {
  const now = threadMs();
  longestCpuMs = Math.max(longestCpuMs, now - last);
  last = now;
}, RESOLUTION_MS).unref();

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ longestMs: delay.max / 1e6, longestCpuMs, cpuMs: (user + system) / 1e3 });
  delay.reset();
  longestCpuMs = 0;
});
