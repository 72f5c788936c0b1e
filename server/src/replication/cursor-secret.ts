import { parseChangeId } from '../store/change-id.ts';
import type { Replica } from './replica.ts';

/**
 * What signs the cursors of lists that are not of one environment: the control ledger's epoch, which is
 * random, lasts as long as the data, and is never shown.
 */
export const cursorSecret = (control: Replica<'control'>): string =>
  parseChangeId(control.current().id)?.epoch ?? control.current().id;
