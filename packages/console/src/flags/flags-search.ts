/** What the list can be sorted by; with `-` in front in the other direction. */
export const SORTS = ['key', 'type', 'owner', 'changed'] as const;
export type Sort = (typeof SORTS)[number];

/** The state of the list in the URL, so that a view is a link. */
export type FlagsSearch = {
  readonly q?: string | undefined;
  readonly sort?: Sort | `-${Sort}` | undefined;
  /** The environment that the cards of a narrow window show. */
  readonly env?: string | undefined;
};

const isSort = (value: unknown): value is NonNullable<FlagsSearch['sort']> =>
  SORTS.some(sort => value === sort || value === `-${sort}`);

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Replaces by undefined what is not valid, which a person may have typed. */
export const readSearch = ({ q, sort, env }: Readonly<Record<string, unknown>>): FlagsSearch => ({
  q: textOf(q),
  sort: isSort(sort) ? sort : undefined,
  env: textOf(env),
});
