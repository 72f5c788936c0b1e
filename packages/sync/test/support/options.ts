import { readFileSync } from 'node:fs';

export type OptionCase = {
  readonly name: string;
  /** The providers that have these options; all by default. */
  readonly providers?: readonly string[];
  readonly options: object;
  /** Environment variables, instead of the options `url` and `key`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** The name of the option or the variable that the error is about. */
  readonly refused?: string;
};

/** Reads the options that the providers of all languages accept or refuse, those of one provider. */
export const readOptionCases = (provider: 'node' | 'web'): OptionCase[] => {
  const { defaults, cases }: { defaults: object; cases: OptionCase[] } = JSON.parse(
    readFileSync(new URL('../../../spec/options.json', import.meta.url), 'utf8'),
  );
  return cases
    .filter(({ providers = [provider] }) => providers.includes(provider))
    .map(each => ({
      ...each,
      options: each.variables === undefined ? { ...defaults, ...each.options } : each.options,
    }));
};

/** Returns the message of the error that `create` throws, or undefined. */
export const refusal = (create: () => unknown): string | undefined => {
  try {
    create();
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  return undefined;
};

/** Returns what an error about an option or a variable contains. */
export const nameInError = (name: string): string => (/^[A-Z]/.test(name) ? name : `"${name}"`);
