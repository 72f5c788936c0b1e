import { describe, quote } from './format.ts';
import { isList, optional, type RawObject } from './json.ts';
import { below, type Report } from './problems.ts';

/** Features beyond format version 1 that this engine supports. There are none yet. */
const SUPPORTED: ReadonlySet<string> = new Set();

/**
 * Reports every feature in `requires` that this engine does not support. A newer server lists the features
 * that change results, because engines ignore the fields that they do not know.
 */
export const checkRequires = (definition: RawObject, report: Report): void => {
  const required = optional(definition, 'requires') ?? [];
  if (!isList(required)) {
    report('requires', `must be a list of names, but is ${describe(required)}`);
    return;
  }
  required.forEach((feature, index) => {
    const path = below('requires', index);
    if (typeof feature !== 'string') report(path, `must be a name, but is ${describe(feature)}`);
    else if (!SUPPORTED.has(feature))
      report(path, `${quote(feature)} is not supported by this version: update the SDK`);
  });
};
