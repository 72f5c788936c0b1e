import type { EvaluationSegment } from '@pennon/schema';

import { compileConditions, allOf } from './conditions.ts';
import { describe, quote } from './format.ts';
import { fieldNames, isList, isObject, optional, ownValue } from './json.ts';
import type { CompiledCondition, CompiledSegment, LazySegment } from './model.ts';
import type { Finding, Report } from './problems.ts';
import { withSizeLimit, type RegexEngine } from './re2-subset.ts';
import { patternSizeOf } from './references.ts';
import { checkRequires } from './requires.ts';

/** The fields that results depend on: all that are read below. */
export const SEGMENT_FIELDS = fieldNames<Omit<EvaluationSegment, 'version'>>({
  key: true,
  conditions: true,
  requires: true,
});

const compileSegmentConditions = (
  key: string,
  raw: unknown,
  regexEngine: RegexEngine | undefined,
  report: Report,
): CompiledCondition[] => {
  if (!isObject(raw)) {
    report('', `must be a segment, but is ${describe(raw)}`);
    return [];
  }
  checkRequires(raw, report);
  const ownKey = optional(raw, 'key');
  if (ownKey !== undefined && ownKey !== key)
    report('key', `must be ${quote(key)} as in the flag set, but is ${describe(ownKey)}`);
  const conditions = ownValue(raw, 'conditions');
  if (!isList(conditions) || conditions.length === 0) {
    report('conditions', `must be a non-empty list of conditions, but is ${describe(conditions)}`);
    return [];
  }
  const path = 'conditions';
  return compileConditions(conditions, { path, depth: 0, lookup: undefined, regexEngine, report });
};

const compileSegment = (
  key: string,
  raw: unknown,
  regexEngine: RegexEngine | undefined,
): CompiledSegment => {
  const findings: Finding[] = [];
  const report: Report = (path, message) => findings.push({ path, message });
  const limited = withSizeLimit(regexEngine, patternSizeOf(raw));
  const conditions = compileSegmentConditions(key, raw, limited, report);
  return { conditions, holds: allOf(conditions), findings };
};

/** Returns a segment that is compiled on first use. Segments refer to nothing, so they need no flag set. */
export const lazySegment = (
  key: string,
  raw: unknown,
  regexEngine: RegexEngine | undefined,
): LazySegment => {
  let compiled: CompiledSegment | undefined;
  return { compiled: () => (compiled ??= compileSegment(key, raw, regexEngine)) };
};
