/** The filters of the audit log in the URL, so that a view is a link. */
export type AuditSearch = {
  readonly environment?: string | undefined;
  readonly action?: string | undefined;
  readonly flag?: string | undefined;
  readonly segment?: string | undefined;
  readonly actor?: string | undefined;
  /** Times in the zone of the browser, as an input has them. */
  readonly from?: string | undefined;
  readonly until?: string | undefined;
};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

export const readAuditSearch = (search: Readonly<Record<string, unknown>>): AuditSearch => ({
  environment: textOf(search['environment']),
  action: textOf(search['action']),
  flag: textOf(search['flag']),
  segment: textOf(search['segment']),
  actor: textOf(search['actor']),
  from: textOf(search['from']),
  until: textOf(search['until']),
});
