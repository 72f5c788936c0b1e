import type { z } from 'zod';

import { shortened, unknownFields } from './object.ts';

type Issue = z.core.$ZodIssue;
type Problem = { path: string; message: string };

/** So many problems are told; one more entry counts the rest. */
const TOLD = 20;

/** zod's own messages begin so; every other message was written for the place and is kept. */
const isZodsOwn = (issue: Issue): boolean => /^(?:Invalid|Too|Unrecognized) /.test(issue.message);

/**
 * What zod was given where it wanted another type. An issue does not carry its input, and only its
 * message tells a missing field from a field of the wrong type.
 */
const received = (issue: Issue): string | undefined => /, received (\w+)$/.exec(issue.message)?.[1];

const isMissing = (issue: Issue): boolean =>
  issue.code === 'invalid_type' && received(issue) === 'undefined';

const NOUNS: Record<string, string> = {
  array: 'a list',
  bigint: 'a whole number',
  boolean: 'true or false',
  int: 'a whole number',
  map: 'an object',
  never: 'absent',
  null: 'null',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a string',
};
const GIVEN: Record<string, string> = { ...NOUNS, boolean: 'a boolean' };

const wrongType = (expected: string, given: string | undefined): string => {
  const wanted = `must be ${NOUNS[expected] ?? expected}`;
  if (given === 'undefined') return `is missing: it ${wanted}`;
  return given === undefined ? wanted : `${wanted}, not ${GIVEN[given] ?? given}`;
};

const oneOf = (values: readonly unknown[]): string => {
  const shown = values.map(value => JSON.stringify(value) ?? String(value)).join(', ');
  return values.length === 1 ? `must be ${shown}` : `must be one of ${shown}`;
};

const UNITS: Record<string, string> = { array: ' items', string: ' characters' };

const bound = (side: 'least' | 'most', origin: string, limit: number | bigint): string =>
  `must ${origin === 'array' ? 'have' : 'be'} at ${side} ${limit}${UNITS[origin] ?? ''}`;

const reworded = (issue: Issue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, received(issue));
    case 'invalid_value':
      return oneOf(issue.values);
    case 'too_big':
      return bound('most', issue.origin, issue.maximum);
    case 'too_small':
      return bound('least', issue.origin, issue.minimum);
    case 'unrecognized_keys':
      return unknownFields(issue.keys, []);
    case 'invalid_format':
      return `must have the format ${issue.format}`;
    default:
      return 'is not valid here';
  }
};

const message = (issue: Issue): string => (isZodsOwn(issue) ? reworded(issue) : issue.message);

/** No branch for this discriminator. With a message of its own, the union says it was not meant. */
const isDiscriminator = (issue: Issue): boolean =>
  issue.code === 'invalid_union' && issue.errors.length === 0;

const distanceOf = (issue: Issue): number => {
  const depth = issue.path.length;
  if (issue.code === 'unrecognized_keys') return depth === 0 ? issue.keys.length : 0;
  if (isDiscriminator(issue) && depth === 1) return isZodsOwn(issue) ? 0 : Infinity;
  if (depth === 0) return Infinity;
  return depth === 1 && isMissing(issue) ? 1 : 0;
};

/** How far the input is from one branch of a union: its fields that are missing or too many. */
const distance = (branch: readonly Issue[]): number =>
  branch.reduce((sum, issue) => sum + distanceOf(issue), 0);

/** The one branch that the input comes closest to, where there is exactly one. */
const branchMeant = (branches: readonly Issue[][]): readonly Issue[] | undefined => {
  const distances = branches.map(distance);
  const least = Math.min(...distances);
  const nearest = branches.filter((_, index) => distances[index] === least);
  return Number.isFinite(least) && nearest.length === 1 ? nearest[0] : undefined;
};

type UnionIssue = Extract<Issue, { code: 'invalid_union' }>;

const discriminator = (issue: UnionIssue): string =>
  isZodsOwn(issue) && 'options' in issue && issue.options ? oneOf(issue.options) : message(issue);

const ofUnion = (issue: UnionIssue, path: readonly PropertyKey[]): Problem[] => {
  if (isDiscriminator(issue)) return [problem(path, discriminator(issue))];
  const meant = branchMeant(issue.errors);
  if (meant) return meant.flatMap(nested => problemsOf(nested, path));
  const missing = issue.errors.every(branch => branch.some(isMissing));
  return [problem(path, missing ? `is missing: it ${message(issue)}` : message(issue))];
};

const problemsOf = (issue: Issue, base: readonly PropertyKey[]): Problem[] => {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') return ofUnion(issue, path);
  if (issue.code === 'invalid_key')
    return issue.issues.map(nested => problem(path, `is no possible name: it ${message(nested)}`));
  return [problem(path, message(issue))];
};

const problem = (path: readonly PropertyKey[], text: string): Problem => ({
  path: path.map(step => shortened(String(step))).join('.'),
  message: text,
});

/**
 * The problems of a parse as people read them: a dotted path, what was wrong and what to do. Of a
 * union the branch that was meant is described. At most 20, and one entry more that counts the rest;
 * nothing that the caller sent is repeated but names, and those shortened.
 *
 * @example
 * describeIssues(error) // [{ path: 'rules.0.percentage', message: 'must be a number, not a string' }]
 */
export const describeIssues = (error: z.ZodError): Problem[] => {
  const problems = error.issues.flatMap(issue => problemsOf(issue, []));
  const untold = problems.length - TOLD;
  if (untold <= 0) return problems;
  return [...problems.slice(0, TOLD), { path: '', message: `has ${untold} more problems` }];
};
