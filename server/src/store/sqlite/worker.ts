import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { StoreError } from '../store.ts';
import { databasePath, openDatabase } from './file.ts';
import { operationsOn, type OperationTable } from './operations.ts';
import type { Answer, OperationName, Output, Refusal, Request } from './protocol.ts';
import { asStoreError } from './errors.ts';

/**
 * The thread that owns the database: SQLite waits for the disk, and the event loop that evaluates must
 * not. The first answer says whether the database could be opened.
 */
const serve = (port: MessagePort, directory: string): void => {
  const place = databasePath(directory);
  try {
    const operations = open(directory, place);
    port.postMessage({ ok: true, output: undefined } satisfies Answer<'ping'>);
    port.on('message', (request: Request) => port.postMessage(answer(operations, request, place)));
  } catch (error) {
    port.postMessage(refusal(error, place));
  }
};

const open = (directory: string, place: string): OperationTable => {
  const database = openDatabase(directory);
  try {
    const operations = operationsOn(database);
    operations.ping();
    return operations;
  } catch (error) {
    database.close();
    throw asStoreError(error, place, 'corrupt');
  }
};

const answer = <Name extends OperationName>(
  operations: OperationTable,
  request: Request<Name>,
  place: string,
): Answer<Name> => {
  try {
    return { ok: true, output: perform(operations, request) };
  } catch (error) {
    return refusal(error, place);
  }
};

const perform = <Name extends OperationName>(
  operations: OperationTable,
  { name, input }: Request<Name>,
): Output<Name> => operations[name](input);

const refusal = (error: unknown, place: string): Refusal => {
  const known = asStoreError(error, place);
  const code = known instanceof StoreError ? known.code : undefined;
  return { ok: false, code, message: known instanceof Error ? known.message : String(known) };
};

if (parentPort !== null) serve(parentPort, String(workerData));
