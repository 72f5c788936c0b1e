import type { ApiInputs } from '@pennon/client';

import type { Api } from '../api/api.ts';
import { overviewOptions } from './follow-overview.ts';
import type { Row } from './overview.ts';

type FlagType = Row['type'];

/** The types of flags, in the order in which people choose them. */
export const FLAG_TYPES: readonly FlagType[] = ['boolean', 'string', 'number', 'object'];

/** A flag that is created in some environments. */
export type NewFlag = {
  readonly key: string;
  readonly name: string;
  readonly type: FlagType;
  readonly environments: readonly string[];
};

type VariantFields = Pick<ApiInputs['flags']['create'], 'variants' | 'defaultVariant'>;

/** The server adds on and off to a boolean flag. The others begin with one variant, whose value is edited afterwards. */
const VARIANTS: Readonly<Record<FlagType, VariantFields>> = {
  boolean: {},
  string: { variants: { first: '' }, defaultVariant: 'first' },
  number: { variants: { first: 0 }, defaultVariant: 'first' },
  object: { variants: { first: {} }, defaultVariant: 'first' },
};

/** Creates the flag, disabled, in one environment after the other. `onEach` receives each one that has it then. */
export const createFlag = async (
  api: Api,
  { key, name, type, environments }: NewFlag,
  onEach: (environment: string) => void,
): Promise<void> => {
  const fields = { key, type, enabled: false, ...(name !== '' && { name }), ...VARIANTS[type] };
  for (const environment of environments) {
    await api.procedures.flags.create.mutate({ environment, ...fields });
    onEach(environment);
  }
  // The page of the flag opens before the subscription has sent it.
  await api.queries.fetchQuery({ ...overviewOptions(api), staleTime: 0 });
};
