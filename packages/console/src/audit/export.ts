import type { Api } from '../api/api.ts';
import type { AuditSearch } from './audit-search.ts';
import { toQuery, type AuditEntry } from './entries.ts';

/** Entries of one file. The search of the page can be narrowed for others. */
export const MAX_EXPORTED = 10_000;
const PAGE_SIZE = 200;

/** Reads the entries that a search finds, newest first, up to the bound of one file. */
export const readEntries = async (
  { procedures }: Api,
  search: AuditSearch,
): Promise<readonly AuditEntry[]> => {
  const all: AuditEntry[] = [];
  let cursor: string | undefined;
  while (all.length < MAX_EXPORTED) {
    const query = { ...toQuery(search), limit: PAGE_SIZE, cursor };
    const { items, nextCursor } = await procedures.audit.list.query(query);
    all.push(...items);
    if (nextCursor === null) break;
    cursor = nextCursor;
  }
  return all.slice(0, MAX_EXPORTED);
};

const COLUMNS = [
  'at',
  'actor',
  'action',
  'environment',
  'key',
  'comment',
  'before',
  'after',
] as const;

/** A spreadsheet would run a cell that begins with one of these. */
const FORMULA = /^[=+\-@\t\r]/;

const toCell = (text: string): string => {
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
};

const valueOf = (entry: AuditEntry, column: (typeof COLUMNS)[number]): string => {
  if (column === 'actor') return entry.actor.name;
  const value = entry[column] ?? '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

export const toCsv = (entries: readonly AuditEntry[]): string =>
  [
    COLUMNS.join(','),
    ...entries.map(entry => COLUMNS.map(column => toCell(valueOf(entry, column))).join(',')),
  ]
    .map(line => `${line}\r\n`)
    .join('');

export const toNdjson = (entries: readonly AuditEntry[]): string =>
  entries.map(entry => `${JSON.stringify(entry)}\n`).join('');

/** Makes the browser store a text as a file. */
export const download = (name: string, type: string, text: string): void => {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
};
