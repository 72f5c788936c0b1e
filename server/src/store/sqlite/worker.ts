import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { errorMessage } from '../../error-message.ts';
import { StoreError } from '../store.ts';
import { toStoreError } from './errors.ts';
import { databasePath, openDatabase } from './file.ts';
import { operationsOn, type OperationTable } from './operations.ts';
import type { OperationName, Output, WorkerError, WorkerReply, WorkerRequest } from './protocol.ts';

/**
 * The thread that owns the database. SQLite blocks on the disk, and the event loop that evaluates flags
 * must not. The first reply is an error if the database could not be opened.
 */
const serve = (port: MessagePort, directory: string): void => {
  const path = databasePath(directory);
  try {
    const operations = openOperations(directory, path);
    port.postMessage({ ok: true, output: undefined } satisfies WorkerReply<'ping'>);
    port.on('message', (request: WorkerRequest) =>
      port.postMessage(replyTo(request, operations, path)),
    );
  } catch (error) {
    port.postMessage(toWorkerError(error, path));
  }
};

const openOperations = (directory: string, path: string): OperationTable => {
  const owned = openDatabase(directory);
  try {
    const operations = operationsOn(owned);
    operations.ping();
    return operations;
  } catch (error) {
    owned.close();
    throw toStoreError(error, path, 'corrupt');
  }
};

const replyTo = <Name extends OperationName>(
  request: WorkerRequest<Name>,
  operations: OperationTable,
  path: string,
): WorkerReply<Name> => {
  try {
    return { ok: true, output: perform(operations, request) };
  } catch (error) {
    return toWorkerError(error, path);
  }
};

const perform = <Name extends OperationName>(
  operations: OperationTable,
  { name, input }: WorkerRequest<Name>,
): Output<Name> => operations[name](input);

const toWorkerError = (thrown: unknown, path: string): WorkerError => {
  const error = toStoreError(thrown, path);
  const code = error instanceof StoreError ? error.code : undefined;
  return { ok: false, code, message: errorMessage(error) };
};

if (parentPort !== null) serve(parentPort, String(workerData));
