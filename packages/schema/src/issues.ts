import type { z } from 'zod';

import type { ErrorDetail } from './error.ts';
import { shortened, unknownField } from './strict-object.ts';

type Issue = z.core.$ZodIssue;
type UnionIssue = Extract<Issue, { code: 'invalid_union' }>;
type UnknownIssue = Extract<Issue, { code: 'unrecognized_keys' }>;
type Path = readonly PropertyKey[];
type Problem = { path: PropertyKey[]; message: string };

/** So many problems are told; one entry more counts the rest. */
const TOLD = 20;

/** zod's own messages begin so. Every other message was written for its place, and is kept. */
const isZodsOwn = ({ message }: Issue): boolean => /^(?:Invalid|Too|Unrecognized) /.test(message);

/**
 * What zod was given where it wanted another type. An issue does not carry its input, and only the
 * message of zod tells a missing field from a field of the wrong type.
 */
const received = ({ message }: Issue): string | undefined => /, received (\w+)$/.exec(message)?.[1];

const isMissing = (issue: Issue): boolean =>
  issue.code === 'invalid_type' && received(issue) === 'undefined';

const NOUNS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a string',
};

const wrongType = (expected: string, given: string | undefined): string => {
  const wanted = `must be ${NOUNS[expected] ?? expected}`;
  if (given === undefined || (expected === 'int' && given === 'number')) return wanted;
  if (given === 'undefined') return `is missing: it ${wanted}`;
  return `${wanted}, not ${given === 'boolean' ? 'a boolean' : (NOUNS[given] ?? given)}`;
};

const oneOf = (values: readonly unknown[]): string => {
  const shown = values.map(value => JSON.stringify(value)).join(', ');
  return values.length === 1 ? `must be ${shown}` : `must be one of ${shown}`;
};

const UNITS: Readonly<Record<string, string>> = { array: ' entries', string: ' characters' };

const bound = (side: 'least' | 'most', origin: string, limit: number | bigint): string =>
  `must ${origin === 'array' ? 'have' : 'be'} at ${side} ${limit}${UNITS[origin] ?? ''}`;

const reworded = (issue: Issue): string => {
  if (issue.code === 'invalid_type') return wrongType(issue.expected, received(issue));
  if (issue.code === 'invalid_value') return oneOf(issue.values);
  if (issue.code === 'too_big') return bound('most', issue.origin, issue.maximum);
  if (issue.code === 'too_small') return bound('least', issue.origin, issue.minimum);
  if (issue.code === 'unrecognized_keys') return unknownField([]);
  return 'has a value that is not accepted here';
};

const messageOf = (issue: Issue): string => (isZodsOwn(issue) ? reworded(issue) : issue.message);

/** No branch has this discriminator. With a message of its own, the union says it was not meant. */
const isDiscriminator = (issue: Issue): issue is UnionIssue =>
  issue.code === 'invalid_union' && issue.errors.length === 0;

/** Of the right type, and only too long or too short. */
const isSize = ({ code }: Issue): boolean => code === 'too_big' || code === 'too_small';

const distanceOf = (issue: Issue): number => {
  const depth = issue.path.length;
  if (issue.code === 'unrecognized_keys') return depth === 0 ? issue.keys.length : 0;
  if (depth === 0) return isSize(issue) ? 0 : Infinity;
  if (isDiscriminator(issue)) return depth > 1 || isZodsOwn(issue) ? 0 : Infinity;
  return depth === 1 && isMissing(issue) ? 1 : 0;
};

/** How far the input is from one branch of a union: the fields that are missing or too many. */
const distance = (branch: readonly Issue[]): number =>
  branch.reduce((sum, issue) => sum + distanceOf(issue), 0);

/** The branch that the input comes closest to, where there is exactly one. */
const branchMeant = (branches: readonly Issue[][]): readonly Issue[] | undefined => {
  const distances = branches.map(distance);
  const least = Math.min(...distances);
  const nearest = branches.filter((_, index) => distances[index] === least);
  return Number.isFinite(least) && nearest.length === 1 ? nearest[0] : undefined;
};

const unionMessage = (issue: UnionIssue): string => {
  if (!isZodsOwn(issue)) return issue.message;
  if ('options' in issue && issue.options) return oneOf(issue.options);
  return 'must have one of the accepted shapes';
};

const ofUnion = (issue: UnionIssue, path: Path): Problem[] => {
  const meant = branchMeant(issue.errors);
  if (meant) return meant.flatMap(nested => ofIssue(nested, path));
  const missing = issue.errors.length > 0 && issue.errors.every(branch => branch.some(isMissing));
  const message = unionMessage(issue);
  return [{ path: [...path], message: missing ? `is missing: it ${message}` : message }];
};

/** Each unknown field is a problem at its own path. */
const ofUnknown = (issue: UnknownIssue, path: Path): Problem[] =>
  issue.keys.map(key => ({ path: [...path, key], message: messageOf(issue) }));

const ofIssue = (issue: Issue, base: Path): Problem[] => {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') return ofUnion(issue, path);
  if (issue.code === 'unrecognized_keys') return ofUnknown(issue, path);
  if (issue.code !== 'invalid_key') return [{ path, message: messageOf(issue) }];
  return issue.issues.map(nested => ({ path, message: `has a name that ${messageOf(nested)}` }));
};

/** All problems of a parse; of a union, those of the branch that was meant. */
export const problemsOf = (error: z.ZodError): Problem[] =>
  error.issues.flatMap(issue => ofIssue(issue, []));

const dotted = (path: Path): string => path.map(step => shortened(String(step))).join('.');

/**
 * The problems of a parse as people read them: a dotted path (empty for the whole), what was wrong
 * and what to do. At most 20, and one entry more that counts the rest. Of what the caller sent only
 * names are repeated, and shortened.
 *
 * @example
 * describeIssues(error) // [{ path: 'rules.0.percentage', message: 'must be a number, not a string' }]
 */
export const describeIssues = (error: z.ZodError): ErrorDetail[] => {
  const problems = problemsOf(error).map(({ path, message }) => ({ path: dotted(path), message }));
  const untold = problems.length - TOLD;
  if (untold <= 0) return problems;
  return [...problems.slice(0, TOLD), { path: '', message: `has ${untold} more problems` }];
};
