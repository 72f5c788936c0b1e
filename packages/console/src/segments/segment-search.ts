/** The state of the pages of segments in the URL. */
export type SegmentSearch = { readonly env?: string | undefined };

export const readSegmentSearch = ({ env }: Readonly<Record<string, unknown>>): SegmentSearch => ({
  env: typeof env === 'string' && env !== '' ? env : undefined,
});
