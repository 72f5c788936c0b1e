import { z } from 'zod';

import { Json } from './json.ts';
import { strictObject } from './strict-object.ts';
import { Instant } from './text.ts';

/** Every kind of change that is recorded. */
export const AUDIT_ACTIONS = [
  'flag.create',
  'flag.replace',
  'flag.update',
  'flag.delete',
  'flag.copy',
  'segment.create',
  'segment.replace',
  'segment.update',
  'segment.delete',
  'segment.copy',
  'environment.create',
  'environment.delete',
  'environment.import',
  'key.create',
  'key.delete',
] as const;
export const AuditAction = z.enum(AUDIT_ACTIONS);
export type AuditAction = z.infer<typeof AuditAction>;

/** Who made a change: the key, and whom it says it acted for, which nobody has verified. */
export const Actor = strictObject({
  id: z.string(),
  name: z.string(),
  onBehalfOf: z.string().optional().describe('From X-On-Behalf-Of; unverified.'),
});
export type Actor = z.infer<typeof Actor>;

/** One change: who, when, what, before and after. */
export const AuditEntry = strictObject({
  id: z.string(),
  at: Instant,
  actor: Actor,
  action: AuditAction,
  environment: z.string(),
  kind: z.enum(['flag', 'segment', 'environment', 'key']),
  key: z.string(),
  revision: z.int().min(0),
  before: Json.describe('What it was; null where it was created.'),
  after: Json.describe('What it is; null where it was deleted.'),
}).meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
