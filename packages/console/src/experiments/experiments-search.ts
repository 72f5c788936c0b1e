/** The state of the pages of experiments in the URL. */
export type ExperimentsSearch = { readonly env?: string | undefined };

export const readExperimentsSearch = ({
  env,
}: Readonly<Record<string, unknown>>): ExperimentsSearch => ({
  env: typeof env === 'string' && env !== '' ? env : undefined,
});
