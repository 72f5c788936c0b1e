import { compileConditions, holdsAll } from './conditions.ts';
import { optional, isList, isObject, ownValue } from './fields.ts';
import type { CompiledSegment, SegmentSlot } from './model.ts';
import type { Patterns } from './re2-subset.ts';
import { checkRequires } from './requires.ts';
import type { Finding, Report } from './problems.ts';
import { describe, quote } from './format.ts';

const compileParts = (
  key: string,
  raw: unknown,
  patterns: Patterns | undefined,
  report: Report,
) => {
  if (!isObject(raw)) {
    report('', `must be a segment, and is ${describe(raw)}`);
    return [];
  }
  checkRequires(raw, report);
  const ownKey = optional(raw, 'key');
  if (ownKey !== undefined && ownKey !== key) {
    report('key', `must be ${quote(key)}, under which it is stored, and is ${describe(ownKey)}`);
  }
  const conditions = ownValue(raw, 'conditions');
  if (!isList(conditions) || conditions.length === 0) {
    report(
      'conditions',
      `must be a list of one or more conditions, and is ${describe(conditions)}`,
    );
    return [];
  }
  const path = 'conditions';
  return compileConditions(conditions, { path, depth: 0, named: undefined, patterns, report });
};

/** Compiles a segment. It names nothing, so that it depends on nothing but itself. */
const compileSegment = (
  key: string,
  raw: unknown,
  patterns: Patterns | undefined,
): CompiledSegment => {
  const findings: Finding[] = [];
  const report: Report = (path, message) => findings.push({ path, message });
  const conditions = compileParts(key, raw, patterns, report);
  return { conditions, holds: holdsAll(conditions), findings };
};

/** A segment that is compiled once, when it is first evaluationId for. */
export const segmentSlot = (
  key: string,
  raw: unknown,
  patterns: Patterns | undefined,
): SegmentSlot => {
  let compiled: CompiledSegment | undefined;
  return { compiled: () => (compiled ??= compileSegment(key, raw, patterns)) };
};
