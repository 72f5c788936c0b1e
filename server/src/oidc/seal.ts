import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

import type { Replica } from '../replication/replica.ts';
import type { SecretDocument } from '../store/store.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = IV_BYTES + TAG_BYTES;

/** Encrypts a text, so that only servers of the same store can read it, and notice if it was changed. */
export const seal = async (control: Replica<'control'>, text: string): Promise<string> => {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, await readKey(control), iv);
  const content = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), content]).toString('base64url');
};

/** Returns the text that was sealed, or undefined if no server of this store has sealed it. */
export const unseal = async (
  control: Replica<'control'>,
  sealed: string,
): Promise<string | undefined> => {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < HEAD_BYTES) return undefined;
  const key = await readKey(control);
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(bytes.subarray(IV_BYTES, HEAD_BYTES));
  try {
    const content = [decipher.update(bytes.subarray(HEAD_BYTES)), decipher.final()];
    return Buffer.concat(content).toString('utf8');
  } catch {
    return undefined;
  }
};

const SECRET_ID = 'oidc';

/** Returns the key that all servers of the store share. The first use creates it. */
const readKey = async (control: Replica<'control'>): Promise<Buffer> => {
  const known = control.current().records.secrets.get(SECRET_ID)?.document;
  return Buffer.from((known ?? (await createKey(control))).key, 'base64url');
};

const createKey = (control: Replica<'control'>): Promise<SecretDocument> =>
  control.write(({ records }) => {
    const existing = records.secrets.get(SECRET_ID)?.document;
    const secret = existing ?? {
      id: SECRET_ID,
      key: randomBytes(KEY_BYTES).toString('base64url'),
    };
    return {
      writes: existing === undefined ? { secrets: new Map([[SECRET_ID, secret]]) } : {},
      audit: [],
      result: () => secret,
    };
  });
