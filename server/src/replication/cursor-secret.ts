import { parseChangeId } from '../store/change-id.ts';
import type { Replica } from './replica.ts';

/**
 * The secret that signs the cursors of lists that span environments: the epoch of the control ledger. It
 * is random, lasts as long as the data, and never leaves the server.
 */
export const cursorSecret = (control: Replica<'control'>): string =>
  parseChangeId(control.current().id)?.epoch ?? control.current().id;
