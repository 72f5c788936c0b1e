/** The state of the page in the URL. */
export type TrySearch = {
  readonly env?: string | undefined;
  /** What the keys of the flags that are shown contain. */
  readonly q?: string | undefined;
};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Replaces by undefined what is not valid, which a person may have typed. */
export const readTrySearch = ({ env, q }: Readonly<Record<string, unknown>>): TrySearch => ({
  env: textOf(env),
  q: textOf(q),
});
