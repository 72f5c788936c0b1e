import { Worker } from 'node:worker_threads';

/** The check of the whole database in the background, after the store is open. */
export type IntegrityCheck = {
  /** Whether damage was found. */
  readonly isDamaged: () => boolean;
  readonly close: () => Promise<void>;
};

/** The sources run as TypeScript, the build as JavaScript. */
const MAIN = import.meta.url.endsWith('.ts') ? './integrity-main.ts' : './integrity-main.js';

/** `onDamage` receives what was found, for the log. */
export const startIntegrityCheck = (
  directory: string,
  onDamage: (message: string) => void,
): IntegrityCheck => {
  let isDamaged = false;
  const worker = new Worker(new URL(MAIN, import.meta.url), {
    name: 'pennon-integrity',
    workerData: directory,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  worker.on('message', (message: unknown) => {
    if (typeof message !== 'string') return;
    isDamaged = true;
    onDamage(message);
  });
  // A check that fails has found nothing, and the server needs no result.
  worker.on('error', () => undefined);
  worker.unref();
  return {
    isDamaged: () => isDamaged,
    close: async () => void (await worker.terminate()),
  };
};
