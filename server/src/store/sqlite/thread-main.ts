import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { errorMessage } from '../../error-message.ts';
import { StoreError } from '../store.ts';
import { toStoreError } from './errors.ts';
import { databasePath, openDatabase } from './file.ts';
import { operationsOn, type OperationTable } from './operations.ts';
import type { OperationName, Output, ThreadError, ThreadReply, ThreadRequest } from './protocol.ts';
import { usageOperationsIn } from './usage-operations.ts';

/**
 * The thread that owns the database. SQLite blocks on the disk, and the event loop that evaluates flags
 * must not. The first reply is an error when the database could not be opened.
 */
const serve = (port: MessagePort, directory: string): void => {
  const path = databasePath(directory);
  try {
    const operations = openOperations(directory, path);
    port.postMessage({ ok: true, output: undefined } satisfies ThreadReply<'ping'>);
    port.on('message', (request: ThreadRequest) =>
      port.postMessage(replyTo(request, operations, path)),
    );
  } catch (error) {
    port.postMessage(toThreadError(error, path));
  }
};

const openOperations = (directory: string, path: string): OperationTable => {
  const owned = openDatabase(directory);
  try {
    const operations = operationsOn(owned, usageOperationsIn(directory));
    operations.ping();
    return operations;
  } catch (error) {
    owned.close();
    throw toStoreError(error, path, 'corrupt');
  }
};

const replyTo = <Name extends OperationName>(
  request: ThreadRequest<Name>,
  operations: OperationTable,
  path: string,
): ThreadReply<Name> => {
  try {
    return { ok: true, output: perform(operations, request) };
  } catch (error) {
    return toThreadError(error, path);
  }
};

const perform = <Name extends OperationName>(
  operations: OperationTable,
  { name, input }: ThreadRequest<Name>,
): Output<Name> => operations[name](input);

const toThreadError = (thrown: unknown, path: string): ThreadError => {
  const error = toStoreError(thrown, path);
  const code = error instanceof StoreError ? error.code : undefined;
  return { ok: false, code, message: errorMessage(error) };
};

if (parentPort !== null) serve(parentPort, String(workerData));
