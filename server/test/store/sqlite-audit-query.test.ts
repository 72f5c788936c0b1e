import { DatabaseSync } from 'node:sqlite';

import { describe, expect, test } from 'vitest';

import { auditStatement } from '../../src/store/sqlite/audit-query.ts';
import { MIGRATIONS } from '../../src/store/sqlite/format.ts';
import type { AuditQuery } from '../../src/store/store.ts';

describe('a search of the audit log', () => {
  test.each<[string, Partial<AuditQuery>, string[]]>([
    ['nothing', {}, ['audit_all']],
    ['time', { from: 1, until: 2 }, ['audit_all']],
    ['kind and key', { kind: 'flag', key: 'a', from: 1 }, ['audit_by_subject']],
    ['action', { action: 'flag.create', before: '7' }, ['audit_by_action']],
    ['onBehalfOf', { onBehalfOf: 'a' }, ['audit_by_on_behalf_of']],
    ['actor', { actor: 'a' }, ['audit_by_actor_id', 'audit_by_actor_name']],
  ])('by %s reads an index in order and stops at the limit', (_, query, indexes) => {
    const database = new DatabaseSync(':memory:');
    for (const script of MIGRATIONS) database.exec(script);
    const { sql, values } = auditStatement(1, { limit: 50, ...query });
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
    const steps = plan.map(({ detail }) => String(detail));
    expect(steps.flatMap(step => /COVERING INDEX (\w+)/.exec(step)?.[1] ?? [])).toEqual(indexes);
    expect(steps.filter(step => /SCAN audit/.test(step))).toEqual([]);
    database.close();
  });
});
