import { parentPort, workerData, type MessagePort } from 'node:worker_threads';

import { errorMessage } from '../../error-message.ts';
import { storeErrorCode } from '../store.ts';
import { requireIntactData } from './backup.ts';

/** The thread that checks the database once, beside the one that writes. Sends what it found, or nothing. */
const findDamage = (directory: string): string | undefined => {
  try {
    requireIntactData(directory);
    return undefined;
  } catch (error) {
    // Other failures, such as a lock, are not damage.
    return storeErrorCode(error) === 'corrupt' ? errorMessage(error) : undefined;
  }
};

const check = (port: MessagePort, directory: string): void =>
  port.postMessage(findDamage(directory));

if (parentPort !== null) check(parentPort, String(workerData));
