import { expect, it } from 'vitest';

import { changesOf, deletionOf, type AuditEntry } from '../src/audit/entries.ts';
import { toCsv, toNdjson } from '../src/audit/export.ts';

const entry = (fields: Partial<AuditEntry> = {}): AuditEntry => ({
  id: '1',
  at: '2026-06-15T12:00:00.000Z',
  actor: { kind: 'person', id: 'ada', name: 'Ada' },
  action: 'flag.update',
  environment: 'production',
  kind: 'flag',
  key: 'checkout',
  revision: 7,
  before: { key: 'checkout', enabled: false, version: 1 },
  after: { key: 'checkout', enabled: true, version: 2, owner: 'ada' },
  ...fields,
});

it('an entry lists the fields that it changes, without those that every write changes', () => {
  expect(changesOf(entry())).toEqual([
    { title: 'enabled', before: 'false', after: 'true' },
    { title: 'owner', before: undefined, after: 'ada' },
  ]);
});

it('a deleted flag can be brought back with the version that it had', () => {
  expect(deletionOf(entry({ action: 'flag.delete', after: null }))).toEqual({
    kind: 'flag',
    environment: 'production',
    key: 'checkout',
    version: 1,
  });
  expect(deletionOf(entry())).toBeUndefined();
});

it('a file for spreadsheets quotes its cells, and runs no formula', () => {
  const comment = '=HYPERLINK("http://a.b")';
  const [header, line] = toCsv([entry({ comment, before: null, after: null })]).split('\r\n');
  expect(header).toBe('at,actor,action,environment,key,comment,before,after');
  expect(line).toBe(
    `"2026-06-15T12:00:00.000Z","Ada","flag.update","production","checkout",` +
      `"'=HYPERLINK(""http://a.b"")","",""`,
  );
});

it('a file for programs has one entry per line', () => {
  const entries = [entry(), entry({ key: 'a\nb' })];
  const lines = toNdjson(entries).trimEnd().split('\n');
  expect(lines.map(line => JSON.parse(line))).toEqual(entries);
});
