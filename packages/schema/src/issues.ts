import type { z } from 'zod';

import { NOT_A_COMPARISON } from './condition.ts';
import type { ErrorDetail } from './error.ts';
import { shortened, unknownField, withSuggestion } from './strict-object.ts';

type Issue = z.core.$ZodIssue;
type UnionIssue = Extract<Issue, { code: 'invalid_union' }>;
type UnknownIssue = Extract<Issue, { code: 'unrecognized_keys' }>;
type Path = readonly PropertyKey[];
type Problem = { path: PropertyKey[]; message: string };

/** The largest number of problems that are listed. One last entry counts any others. */
const LISTED_PROBLEMS = 20;

/** Whether zod wrote the message. Messages of these schemas start differently. */
const isZodMessage = ({ message }: Issue): boolean =>
  /^(?:Invalid|Too|Unrecognized) /.test(message);

/**
 * Returns the type of the input if zod expected another one. It is parsed from the message, because
 * an issue has no input, and a missing field has the same code as a field of the wrong type.
 */
const receivedType = ({ message }: Issue): string | undefined =>
  /, received (\w+)$/.exec(message)?.[1];

const isMissing = (issue: Issue): boolean =>
  issue.code === 'invalid_type' && receivedType(issue) === 'undefined';

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
  const expectation = `must be ${NOUNS[expected] ?? expected}`;
  if (given === undefined || (expected === 'int' && given === 'number')) return expectation;
  if (given === 'undefined') return `is missing: it ${expectation}`;
  return `${expectation}, not ${given === 'boolean' ? 'a boolean' : (NOUNS[given] ?? given)}`;
};

const oneOf = (values: readonly unknown[]): string => {
  const shown = values.map(value => JSON.stringify(value)).join(', ');
  return values.length === 1 ? `must be ${shown}` : `must be one of ${shown}`;
};

const UNITS: Readonly<Record<string, string>> = { array: ' entries', string: ' characters' };

const limitMessage = (side: 'least' | 'most', origin: string, limit: number | bigint): string =>
  `must ${origin === 'array' ? 'have' : 'be'} at ${side} ${limit}${UNITS[origin] ?? ''}`;

const plainMessage = (issue: Issue): string => {
  if (issue.code === 'invalid_type') return wrongType(issue.expected, receivedType(issue));
  if (issue.code === 'invalid_value') return oneOf(issue.values);
  if (issue.code === 'too_big') return limitMessage('most', issue.origin, issue.maximum);
  if (issue.code === 'too_small') return limitMessage('least', issue.origin, issue.minimum);
  if (issue.code === 'unrecognized_keys') return unknownField([]);
  return 'has a value that is not accepted here';
};

const messageOf = (issue: Issue): string =>
  isZodMessage(issue) ? plainMessage(issue) : issue.message;

/** Whether no branch of a discriminated union matches the discriminator. */
const isUnknownDiscriminator = (issue: Issue): issue is UnionIssue =>
  issue.code === 'invalid_union' && issue.errors.length === 0;

/** Whether the input has the right type and is only too long or too short. */
const isSize = ({ code }: Issue): boolean => code === 'too_big' || code === 'too_small';

const distanceOf = (issue: Issue): number => {
  const depth = issue.path.length;
  if (issue.code === 'unrecognized_keys') return depth === 0 ? issue.keys.length : 0;
  if (depth === 0) return isSize(issue) ? 0 : Infinity;
  if (isUnknownDiscriminator(issue))
    return depth > 1 || issue.message !== NOT_A_COMPARISON ? 0 : Infinity;
  return depth === 1 && isMissing(issue) ? 1 : 0;
};

/** Counts the fields that are missing or unknown if this branch of a union was meant. */
const distance = (branch: readonly Issue[]): number =>
  branch.reduce((sum, issue) => sum + distanceOf(issue), 0);

/** Returns the branch of a union that is closest to the input, or undefined if several are. */
const closestBranch = (branches: readonly Issue[][]): readonly Issue[] | undefined => {
  const distances = branches.map(distance);
  const least = Math.min(...distances);
  const nearest = branches.filter((_, index) => distances[index] === least);
  return Number.isFinite(least) && nearest.length === 1 ? nearest[0] : undefined;
};

const unionMessage = (issue: UnionIssue): string => {
  if (!isZodMessage(issue)) return issue.message;
  if ('options' in issue && issue.options) return oneOf(issue.options);
  return 'must have one of the accepted shapes';
};

const unionProblems = (issue: UnionIssue, path: Path): Problem[] => {
  const closest = closestBranch(issue.errors);
  if (closest) return closest.flatMap(nested => issueProblems(nested, path));
  const missing = issue.errors.length > 0 && issue.errors.every(branch => branch.some(isMissing));
  const message = unionMessage(issue);
  return [{ path: [...path], message: missing ? `is missing: it ${message}` : message }];
};

/** Only listed names get a suggestion: for each of a million, it would take minutes. */
const unknownFieldProblems = (issue: UnknownIssue, path: Path): Problem[] => {
  const message = messageOf(issue);
  return issue.keys.map((key, index) => ({
    path: [...path, key],
    message: index < LISTED_PROBLEMS ? withSuggestion(key, message) : message,
  }));
};

const issueProblems = (issue: Issue, base: Path): Problem[] => {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') return unionProblems(issue, path);
  if (issue.code === 'unrecognized_keys') return unknownFieldProblems(issue, path);
  if (issue.code !== 'invalid_key') return [{ path, message: messageOf(issue) }];
  return issue.issues.map(nested => ({ path, message: `has a name that ${messageOf(nested)}` }));
};

/** Returns all problems of a parse. For a union, these are the problems of the closest branch. */
export const problemsOf = (error: z.ZodError): Problem[] =>
  error.issues.flatMap(issue => issueProblems(issue, []));

const dotted = (path: Path): string => path.map(step => shortened(String(step))).join('.');

/**
 * Returns the problems of a parse: for each a dotted path, empty for the whole input, and a message
 * that includes the remedy. If there are more than 20, one last entry counts the rest. Messages
 * repeat field names of the input, shortened, but never its values, which may be secret.
 *
 * @example
 * describeIssues(error) // [{ path: 'rules.0.percentage', message: 'must be a number, not a string' }]
 */
export const describeIssues = (error: z.ZodError): ErrorDetail[] => {
  const problems = problemsOf(error);
  const listed = problems
    .slice(0, LISTED_PROBLEMS)
    .map(({ path, message }) => ({ path: dotted(path), message }));
  const unlisted = problems.length - listed.length;
  return unlisted === 0
    ? listed
    : [...listed, { path: '', message: `has ${unlisted} more problems` }];
};
