import { isDeepStrictEqual } from 'node:util';

import type { Look } from './run.ts';

/** The query of the page has an example of each kind of metric whose sums differ. A count is summed like a conversion. */
const NOT_IN_QUERY = 'errors';

/** Returns which moments of a store differ from the definition or from the warehouse. */
export const differencesIn = (looks: readonly Look[]): string[] =>
  looks.flatMap(({ measured, expected, warehouse }, index) => {
    const { [NOT_IN_QUERY]: _, ...metrics } = expected.metrics;
    const inQuery = { ...expected, metrics };
    return [
      ...(isDeepStrictEqual(measured, expected)
        ? []
        : [`look ${index + 1}: ${show(measured)} is not ${show(expected)}`]),
      ...(warehouse === undefined || isDeepStrictEqual(warehouse, inQuery)
        ? []
        : [`DuckDB at look ${index + 1}: ${show(warehouse)} is not ${show(inQuery)}`]),
    ];
  });

const show = (value: unknown): string => JSON.stringify(value);
