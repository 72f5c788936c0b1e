export const TABS = [
  'rules',
  'variants',
  'json',
  'try',
  'usage',
  'history',
  'code',
  'settings',
] as const;
export type Tab = (typeof TABS)[number];

/** The state of the page of a flag in the URL. */
export type FlagSearch = { readonly env?: string | undefined; readonly tab?: Tab | undefined };

/** Replaces by undefined what is not valid, which a person may have typed. */
export const readFlagSearch = ({ env, tab }: Readonly<Record<string, unknown>>): FlagSearch => ({
  env: typeof env === 'string' && env !== '' ? env : undefined,
  tab: TABS.find(each => each === tab),
});
