import { optional, isList, type Fields } from './fields.ts';
import { describe, quote } from './format.ts';
import { below, type Report } from './problems.ts';

/** Features beyond format 1 that this engine supports. There are none yet. */
const SUPPORTED: ReadonlySet<string> = new Set();

/**
 * Reports every feature in `requires` that this engine does not support. A newer server lists there
 * what changes the decision, because fields that an engine does not know are otherwise ignored.
 */
export const checkRequires = (fields: Fields, report: Report): void => {
  const required = optional(fields, 'requires') ?? [];
  if (!isList(required)) {
    report('requires', `must be a list of names, but is ${describe(required)}`);
    return;
  }
  required.forEach((feature, at) => {
    const path = below('requires', at);
    if (typeof feature !== 'string') report(path, `must be a name, but is ${describe(feature)}`);
    else if (!SUPPORTED.has(feature))
      report(
        path,
        `requires ${quote(feature)}, which this version does not support: update the SDK`,
      );
  });
};
