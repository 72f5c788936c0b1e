import {
  describeIssues,
  Flag,
  Segment,
  type ExportedEnvironment,
  type JsonObject,
} from '@pennon/schema';
import { z } from 'zod';

import { invalid } from '../errors.ts';
import { FlagdFile, flagsOf, readFlag, readSegment, segmentNamesOf } from '../flagd/import-file.ts';
import { Unsupported } from '../flagd/unsupported.ts';
import { requireAtMost } from './bounds.ts';
import { createProblems, type Problems } from './problems.ts';
import { findInvalidFlags } from './validate-export.ts';

/** Checks a file of flagd by itself, and converts its flags, and the evaluators that are segments. */
export const checkFlagdFile = (value: JsonObject, now: string): Contents => {
  const file = parseFile(value);
  const flags = flagsOf(file);
  requireAtMost('documents', flags.length);
  const problems = createProblems();
  const contents: Contents = {
    flags: flags.flatMap(([key, flag]) =>
      checked(Flag, { path: `flags.${key}`, rules: '.targeting', problems }, () =>
        readFlag(key, flag, file, now),
      ),
    ),
    segments: segmentNamesOf(file).flatMap(name =>
      checked(Segment, { path: `$evaluators.${name}`, rules: '', problems }, () =>
        readSegment(name, file, now),
      ),
    ),
  };
  problems.requireNone();
  findInvalidFlags(contents, '', problems);
  problems.requireNone();
  return contents;
};

type Contents = Pick<ExportedEnvironment, 'flags' | 'segments'>;

const parseFile = (value: JsonObject): FlagdFile => {
  const { success, data, error } = FlagdFile.safeParse(value);
  if (!success) throw invalid(describeIssues(error), 'the file of flagd');
  return data;
};

type ItemContext = {
  readonly path: string;
  /** What follows the path to what Pennon may not be able to express. */
  readonly rules: string;
  readonly problems: Problems;
};

/** Returns a list with the document if it is valid, otherwise an empty list. */
const checked = <Document>(
  schema: z.ZodType<Document>,
  { path, rules, problems }: ItemContext,
  read: () => object,
): Document[] => {
  if (problems.areEnough()) return [];
  try {
    return [schema.parse(read())];
  } catch (error) {
    if (error instanceof Unsupported)
      problems.add(path + rules, [{ path: '', message: error.message }]);
    else if (error instanceof z.ZodError) problems.add(path, describeIssues(error));
    else throw error;
    return [];
  }
};
