import { serverManagedFields, type Flag, type Segment } from '@pennon/schema';

import { environmentOf, type Caller } from '../auth/caller.ts';
import type { Registry } from '../flag-set/registry.ts';
import { unionOf } from '../flags/overview.ts';
import { sameEnvironment } from '../resources/copy.ts';
import { differences } from '../resources/differences.ts';
import { runInSlices, type Steps } from '../slices.ts';
import type { Snapshot } from '../store/store.ts';

/** How a flag or segment differs between two environments. */
export type ComparedDocument = {
  key: string;
  outcome: 'onlyFrom' | 'onlyTo' | 'differs' | 'same';
  /** The fields that differ. */
  fields: string[];
};

export type ComparedEnvironments = {
  from: string;
  to: string;
  flags: ComparedDocument[];
  segments: ComparedDocument[];
};

/** Compares the flags and segments of two environments, field by field. */
export const compareFlagSets = async (
  { registry }: { readonly registry: Registry },
  caller: Caller,
  input: { readonly from: string; readonly to: string },
): Promise<ComparedEnvironments> => {
  const from = environmentOf(caller, input.from);
  const to = environmentOf(caller, input.to);
  if (from === to) throw sameEnvironment();
  const replicas = [registry.find(from).replica, registry.find(to).replica] as const;
  await Promise.all(replicas.map(replica => replica.refresh()));
  const [before, after] = [replicas[0].current(), replicas[1].current()];
  return {
    from,
    to,
    flags: await runInSlices(comparisonSteps(before, after, 'flags')),
    segments: await runInSlices(comparisonSteps(before, after, 'segments')),
  };
};

function* comparisonSteps(
  before: Snapshot<'flagSet'>,
  after: Snapshot<'flagSet'>,
  collection: 'flags' | 'segments',
): Steps<ComparedDocument[]> {
  const [from, to] = [before.records[collection], after.records[collection]];
  const compared: ComparedDocument[] = [];
  for (const key of unionOf([from.keyList(), to.keyList()])) {
    compared.push({ key, ...comparison(from.get(key)?.document, to.get(key)?.document) });
    yield;
  }
  return compared;
}

const comparison = (
  from: Flag | Segment | undefined,
  to: Flag | Segment | undefined,
): Omit<ComparedDocument, 'key'> => {
  if (to === undefined) return { outcome: 'onlyFrom', fields: [] };
  if (from === undefined) return { outcome: 'onlyTo', fields: [] };
  const found = differences(from, to, Object.keys(serverManagedFields));
  const fields = found.map(({ path }) => path);
  return { outcome: fields.length === 0 ? 'same' : 'differs', fields };
};
