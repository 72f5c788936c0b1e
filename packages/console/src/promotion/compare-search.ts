/** The environments that are compared, in the URL. */
export type CompareSearch = {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

export const readCompareSearch = ({
  from,
  to,
}: Readonly<Record<string, unknown>>): CompareSearch => ({ from: textOf(from), to: textOf(to) });
