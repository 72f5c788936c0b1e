import { Worker } from 'node:worker_threads';

import type { ExportedEnvironment, Flag, Segment } from '@pennon/schema';

import { PennonError } from '../errors.ts';
import { parseStored } from '../store/serialization.ts';
import type { CheckMessage, CheckRequest, Piece } from './check-protocol.ts';
import {
  checkImport,
  uploadBytes,
  type CheckedImport,
  type CheckScope,
  type Upload,
} from './check.ts';

/** Checking this much takes less time than starting a thread. */
const MAX_INLINE_BYTES = 16 * 1024;
/** The memory of the thread: what its modules take, and a few times the size of the text. */
const BASE_HEAP_MIB = 256;
const HEAP_PER_BYTE = 12;
const CHECK_TIMEOUT_MS = 30_000;

/** Compiling a pattern takes time, however short it is. Its operator can be written with escapes. */
const mayHavePatterns = ({ blocks }: Upload): boolean =>
  /matches|\\u/.test(Buffer.concat(blocks).toString('latin1'));

const isQuick = (upload: Upload): boolean =>
  uploadBytes(upload.blocks) <= MAX_INLINE_BYTES && !mayHavePatterns(upload);

/** Parses and checks an import. Takes the memory of the upload. */
export const checkUpload = async (upload: Upload, scope: CheckScope): Promise<CheckedImport> => {
  if (isQuick(upload)) return checkImport(upload, scope);
  const worker = startThread(uploadBytes(upload.blocks));
  try {
    return await checkIn(openChannel(worker), { upload, scope });
  } catch (error) {
    throw isTooLarge(error) ? tooCostly(error) : error;
  } finally {
    await worker.terminate();
  }
};

const tooCostly = (cause: unknown) =>
  new PennonError(
    'PAYLOAD_TOO_LARGE',
    'checking the import takes too much memory or time: import fewer environments at once',
    {},
    { cause },
  );

const isTooLarge = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'TimeoutError' || ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'));

/** The sources run as TypeScript, the build as JavaScript. */
const THREAD_MAIN = import.meta.url.endsWith('.ts') ? './check-thread.ts' : './check-thread.js';

const startThread = (bytes: number): Worker =>
  new Worker(new URL(THREAD_MAIN, import.meta.url), {
    name: 'pennon-import',
    resourceLimits: {
      maxOldGenerationSizeMb: BASE_HEAP_MIB + Math.ceil((bytes * HEAP_PER_BYTE) / 1_048_576),
    },
    // Without the flags of the process, because preloaded modules must not run a second time.
    execArgv: [],
  });

type Channel = {
  /** Sends a message and returns the reply. */
  readonly request: (
    message: CheckRequest | 'next',
    transfer?: readonly ArrayBuffer[],
  ) => Promise<CheckMessage>;
};

const openChannel = (worker: Worker): Channel => {
  const timeout = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  let pending = Promise.withResolvers<CheckMessage>();
  const fail = (error: unknown) => pending.reject(error);
  worker.on('message', (message: CheckMessage | object) => {
    // With --watch, Node sends the names of loaded modules over the same channel.
    if ('type' in message) pending.resolve(message);
  });
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('the thread ended early')));
  timeout.addEventListener('abort', () => fail(timeout.reason));
  return {
    request(message, transfer = []) {
      pending = Promise.withResolvers();
      worker.postMessage(message, [...transfer]);
      return pending.promise;
    },
  };
};

/** Receives the checked document. Between two pieces, the event loop serves other requests. */
const checkIn = async ({ request }: Channel, check: CheckRequest): Promise<CheckedImport> => {
  const first = await request(
    check,
    check.upload.blocks.map(({ buffer }) => buffer),
  );
  if (first.type === 'refused') throw new PennonError(first.code, first.message, first);
  if (first.type !== 'accepted') throw unexpected(first);
  const environments = first.environments.map((fields): ExportedEnvironment => ({
    ...fields,
    flags: [],
    segments: [],
  }));
  for (;;) {
    const message = await request('next');
    if (message.type === 'end') break;
    if (message.type !== 'piece') throw unexpected(message);
    append(environments, message.piece);
  }
  const { document, ...others } = first.checked;
  return { document: { ...document, environments }, ...others };
};

const unexpected = ({ type }: CheckMessage) => new Error(`unexpected message "${type}"`);

const append = (
  environments: readonly ExportedEnvironment[],
  { environment, flags, segments }: Piece,
): void => {
  environments[environment]?.flags.push(...parseStored<Flag[]>(flags, 'an import'));
  environments[environment]?.segments.push(...parseStored<Segment[]>(segments, 'an import'));
};
