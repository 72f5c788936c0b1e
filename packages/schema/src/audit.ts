import { z } from 'zod';

import { Json } from './json.ts';
import { oneOf } from './suggest.ts';
import { strictObject } from './strict-object.ts';
import { Instant } from './text.ts';

/** The kinds of change in the audit log. */
export const AUDIT_ACTIONS = [
  'flag.create',
  'flag.replace',
  'flag.update',
  'flag.delete',
  'flag.copy',
  'flag.revert',
  'segment.create',
  'segment.replace',
  'segment.update',
  'segment.delete',
  'segment.copy',
  'segment.revert',
  'metric.create',
  'metric.replace',
  'metric.update',
  'metric.delete',
  'metric.copy',
  'experiment.create',
  'experiment.replace',
  'experiment.update',
  'experiment.delete',
  'experiment.copy',
  'experiment.start',
  'experiment.restart',
  'experiment.settle',
  'experiment.end',
  'experiment.stop',
  'experiment.decide',
  'experiment.pause',
  'experiment.rollback',
  'experiment.warn',
  'layer.create',
  'layer.replace',
  'layer.update',
  'layer.delete',
  'layer.claim',
  'layer.release',
  'ramp.create',
  'ramp.replace',
  'ramp.update',
  'ramp.delete',
  'ramp.copy',
  'ramp.start',
  'ramp.pause',
  'ramp.resume',
  'ramp.advance',
  'ramp.approve',
  'ramp.rollback',
  'ramp.complete',
  'ramp.warn',
  'environment.create',
  'environment.update',
  'environment.delete',
  'environment.restore',
  'environment.purge',
  'environment.import',
  'environment.recover',
  'key.create',
  'key.delete',
  'person.create',
  'person.update',
  'person.delete',
  'group.create',
  'group.update',
  'group.delete',
  'invitation.create',
  'invitation.delete',
  'session.create',
  'session.delete',
] as const;
export const AuditAction = oneOf(AUDIT_ACTIONS);
export type AuditAction = z.infer<typeof AuditAction>;

/** Who made a change: an API key, a person or the server itself, and optionally the user that a key acted for. */
export const Actor = strictObject({
  kind: z.enum(['key', 'person', 'system']),
  id: z.string(),
  name: z.string(),
  onBehalfOf: z.string().optional().describe('The value of X-On-Behalf-Of. It is not verified.'),
}).meta({ id: 'Actor' });
export type Actor = z.infer<typeof Actor>;

/** What a change is of. */
export const AuditKind = z.enum([
  'flag',
  'segment',
  'metric',
  'experiment',
  'layer',
  'ramp',
  'environment',
  'key',
  'person',
  'group',
  'invitation',
  'session',
]);
export type AuditKind = z.infer<typeof AuditKind>;

/** One recorded change: who made it, when, and the resource before and after it. */
export const AuditEntry = strictObject({
  id: z.string(),
  at: Instant,
  actor: Actor,
  action: AuditAction,
  environment: z.string(),
  kind: AuditKind,
  key: z.string(),
  revision: z.int().min(0),
  from: z.string().optional().describe('The environment that the resource was copied from.'),
  comment: z.string().optional().describe('The value of X-Change-Comment.'),
  before: Json.describe('The resource before the change; null if the change created it.'),
  after: Json.describe('The resource after the change; null if the change deleted it.'),
}).meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;
