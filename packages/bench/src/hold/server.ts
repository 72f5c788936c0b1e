import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { z } from 'zod';

export const KEY = 'the-admin-key-of-a-benchmark';

const PROBE = fileURLToPath(new URL('probe.ts', import.meta.url));
const SERVER = fileURLToPath(new URL('../../../../server/src/main.ts', import.meta.url));
const Report = z.object({ longestMs: z.number(), longestCpuMs: z.number(), cpuMs: z.number() });
const Reports = z.tuple([Report]);

/** Environment variables of a server. */
export type Settings = Readonly<Record<string, string>>;

/** A server in a process of its own, which reports what requests cost. */
export type MeasuredServer = {
  readonly url: string;
  /**
   * Returns the longest time that the event loop stood still since the last call, the CPU time of the longest turn
   * since then, and the CPU time in total.
   */
  readonly report: () => Promise<z.infer<typeof Report>>;
  /** Returns the largest resident memory since the last call, in MiB. */
  readonly peakMib: () => number;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** Starts a server. By default, its embedded store is in a directory of its own. */
export const startMeasured = async (settings: Settings = {}): Promise<MeasuredServer> => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-bench-'));
  const child = spawn(process.execPath, ['--import', PROBE, SERVER], {
    env: {
      PATH: process.env['PATH'] ?? '',
      PENNON_ADMIN_KEY: KEY,
      PENNON_DATA: directory,
      PORT: '0',
      LOG_LEVEL: 'fatal',
      PENNON_CONSOLE: 'off',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const url = await urlIn(child.stdout ?? Readable.from([]));
  return {
    url,
    async report() {
      child.send('report');
      const [report] = Reports.parse((await once(child, 'message')).slice(0, 1));
      return report;
    },
    peakMib: () => peakMibOf(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'close');
      rmSync(directory, { recursive: true });
    },
  };
};

const urlIn = (output: Readable): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    output.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const url = /listens on (http:\/\/\S+)/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    output.once('end', () => reject(new Error(`the server ended: ${text}`)));
  });

/** Linux keeps the peak of a process, and forgets it if `5` is written to `clear_refs`. */
const peakMibOf = (pid: number): number => {
  const [, kib = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return Number(kib) / 1_024;
};
