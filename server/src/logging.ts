import { format } from 'node:util';

import { pino, type Logger } from 'pino';

/** The log of one process: JSON lines on standard error, written at once, so that an exit loses none. */
export const createLogger = (): Logger => pino(pino.destination({ dest: 2, sync: true }));

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
