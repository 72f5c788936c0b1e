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
  /** The name of the option that the only warning is about. */
  readonly warned?: string;
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

/** Returns the cases whose options a client has that only needs a server. */
export const readConnectionCases = (names: readonly string[]): OptionCase[] =>
  readOptionCases('web').filter(({ options }) =>
    Object.keys(options).every(name => names.includes(name)),
  );

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

/** A logger that collects warnings. */
export const collectWarnings = () => {
  const warnings: string[] = [];
  const ignore = () => undefined;
  const warn = (message: unknown) => void warnings.push(String(message));
  return { warnings, logger: { error: ignore, info: ignore, debug: ignore, warn } };
};
