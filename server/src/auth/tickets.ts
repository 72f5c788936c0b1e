import { createHmac, timingSafeEqual } from 'node:crypto';

import { msUntil, type Clock } from '../clock.ts';
import { PennonError } from '../errors.ts';
import { cursorSecret } from '../replication/cursor-secret.ts';
import type { Replica } from '../replication/replica.ts';
import type { KeyDocument } from '../store/store.ts';
import { callerWith, type Visit } from './authenticate.ts';
import { limitToEnvironment, type Caller } from './caller.ts';
import { ADMIN_KEY_ID, findKey, keyIdOf } from './key-id.ts';

/**
 * Tickets open an event stream in place of a key, because pages cannot send headers with one. They are part of URLs,
 * so they last only some minutes and are good for nothing else.
 */
export type Tickets = {
  /**
   * Returns a ticket of a caller for an environment: the same text for some minutes. Personal tokens get none,
   * because their rights change with those of their person.
   */
  issue(caller: Pick<Caller, 'credential'>, environment: string): string | undefined;
  /** Returns the caller, limited to the environment of the ticket. Throws UNAUTHORIZED or FORBIDDEN. */
  redeem(ticket: string, visit: Visit): Caller;
};

/** A ticket is good for one to two periods. All servers change them at the same time. */
const PERIOD_MS = 300_000;

type Issued = { readonly ticket: string; readonly expiresAt: number };

export const createTickets = (control: Replica<'control'>, clock: Clock): Tickets => {
  const issued = new Map<string, Issued>();
  control.subscribe(() => issued.clear());
  return {
    issue({ credential: { id: keyId } }, environment) {
      const id = `${keyId} ${environment}`;
      const expiresAt = (Math.floor(clock.now() / PERIOD_MS) + 2) * PERIOD_MS;
      const known = issued.get(id);
      if (known?.expiresAt === expiresAt) return known.ticket;
      const key = control.current().records.keys.get(keyId)?.document;
      if (key === undefined) return undefined;
      const ticket = ticketOf(control, key, { environment, expiresAt });
      issued.set(id, { ticket, expiresAt });
      return ticket;
    },
    redeem(ticket, visit) {
      const [id = '', environment = '', expires = ''] = ticket.split('~');
      const key = findKey(control.current().records.keys, id);
      const expiresAt = Number.parseInt(expires, 36);
      if (key === undefined || Number.isNaN(expiresAt) || msUntil(expiresAt, clock) === 0)
        throw invalidTicket();
      if (!isEqual(ticket, ticketOf(control, key, { environment, expiresAt })))
        throw invalidTicket();
      return limitToEnvironment(callerWith(key, visit, clock), environment);
    },
  };
};

/** The hash of the key is signed, so a ticket ends with the key, also if another one gets its id. */
const ticketOf = (
  control: Replica<'control'>,
  key: KeyDocument,
  { environment, expiresAt }: { readonly environment: string; readonly expiresAt: number },
): string => {
  const content = [keyIdOf(key), environment, expiresAt.toString(36)].join('~');
  const signature = createHmac('sha256', secretOf(control)).update(`${content}~${key.hash}`);
  return `${content}~${signature.digest('base64url')}`;
};

/** All servers of a store have it, and it lasts as long as the data and the admin key. */
const secretOf = (control: Replica<'control'>): string => {
  const admin = control.current().records.keys.get(ADMIN_KEY_ID)?.document.hash;
  return `event stream ${cursorSecret(control)} ${admin}`;
};

const isEqual = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

const invalidTicket = (): PennonError =>
  new PennonError(
    'UNAUTHORIZED',
    'the ticket has expired or is not valid: evaluate all flags again, and use the URL of the response',
  );
