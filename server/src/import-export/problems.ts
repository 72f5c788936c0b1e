import type { ErrorDetail } from '@pennon/schema';

import { invalid } from '../errors.ts';
import { IMPORT_BOUNDS } from './bounds.ts';

const LISTED_PROBLEMS = 20;

/** The problems of a document. The first ones are listed, the others only counted. */
export type Problems = {
  readonly add: (path: string, problems: readonly ErrorDetail[]) => void;
  /** Whether there are so many that the rest of the document need not be checked. */
  readonly areEnough: () => boolean;
  /** Throws BAD_REQUEST if there are problems. */
  readonly requireNone: () => void;
};

export const createProblems = (): Problems => {
  const listed: ErrorDetail[] = [];
  let count = 0;
  const areEnough = () => count >= IMPORT_BOUNDS.problems;
  return {
    add(path, problems) {
      count += problems.length;
      const room = LISTED_PROBLEMS - listed.length;
      listed.push(...problems.slice(0, room).map(problem => below(path, problem)));
    },
    areEnough,
    requireNone() {
      const more = count - listed.length;
      if (count === 0) return;
      const rest = `has ${areEnough() ? 'at least ' : ''}${more} more problems`;
      throw invalid(more === 0 ? listed : [...listed, { path: '', message: rest }], 'the document');
    },
  };
};

const below = (base: string, { path, message }: ErrorDetail): ErrorDetail => ({
  path: [base, path].filter(step => step !== '').join('.'),
  message,
});
