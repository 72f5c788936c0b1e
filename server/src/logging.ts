import { format } from 'node:util';

import { pino, type Logger } from 'pino';

/** Bytes of lines that wait for a reader of standard error. Later lines are dropped. */
const MAX_WAITING = 1_048_576;

let droppedLines = 0;

/** Returns how many lines of the log this process could not write. */
export const countDroppedLines = (): number => droppedLines;

/**
 * The log of one process: JSON lines on standard error. A line is written at once if there is room, so that an
 * exit loses none. Lines that a full disk, a closed pipe or a pipe without a reader does not take are dropped.
 */
export const createLogger = (): Logger => {
  keepServingWithout(process.stderr);
  return pino({}, { write: writeLine });
};

const writeLine = (line: string): void => {
  if (process.stderr.writableLength > MAX_WAITING) droppedLines += 1;
  else process.stderr.write(line, error => (droppedLines += error ? 1 : 0));
};

/** Node ends the process if a stream fails and nothing listens. The callback of a write has the error, too. */
export const keepServingWithout = (stream: NodeJS.WriteStream): void => {
  if (stream.listenerCount('error') === 0) stream.on('error', () => {});
};

/** Logs everything that Node and libraries would otherwise print as plain text. */
export const capturePlainOutput = (logger: Logger, onUncaught: (error: unknown) => void): void => {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, stack }) => logger.warn({ name, stack }, message));
  process.on('uncaughtException', onUncaught);
  const log = (...args: readonly unknown[]) => logger.warn(format(...args));
  Object.assign(console, { log, info: log, debug: log, warn: log, error: log, trace: log });
};

/**
 * Logs why the server cannot run, at any level of the log. On a terminal it is one line of plain text
 * instead, followed by the stack of an unexpected error.
 */
export const logFatal = (logger: Logger, message: string, unexpected?: unknown): void => {
  if (process.stderr.isTTY) {
    const stack = unexpected instanceof Error ? `\n${unexpected.stack}` : '';
    process.stderr.write(`${message}${stack}\n`);
    return;
  }
  if (!logger.isLevelEnabled('fatal')) logger.level = 'fatal';
  if (unexpected === undefined) logger.fatal(message);
  else logger.fatal({ err: unexpected }, message);
};
