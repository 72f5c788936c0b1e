import type { Actor, Flag, Ramp } from '@pennon/schema';

import { auditDraft } from '../audit/record.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { liveExperiments } from '../flag-set/measured.ts';
import type { WritePlan } from '../replication/writer.ts';
import { versionOf, type WriteResult } from '../resources/plan.ts';
import { withEtag } from '../resources/read.ts';
import { validateFlag } from '../resources/validate.ts';
import type { Current, Transition } from './transitions.ts';

/** Who changes a ramp, and in which environment. */
export type Author = {
  readonly caller: { readonly actor: Actor; readonly comment?: string | undefined };
  readonly environment: string;
};

/** Plans one commit that writes a ramp, and its flag if that changes too. */
export const planTransition = async (
  view: FlagSetView,
  current: Current,
  { action, ramp, flag }: Transition,
  { caller, environment }: Author,
): Promise<WritePlan<'flagSet', WriteResult<Ramp>>> => {
  const entry = auditDraft(caller, current.at, {
    action,
    environment,
    key: ramp.key,
    before: current.ramp,
    after: ramp,
  });
  const result = (changeId: string) => withEtag({ document: ramp, changeId });
  const ramps = new Map([[ramp.key, ramp]]);
  if (flag === undefined) return { writes: { ramps }, audit: [entry], result };
  await validateFlag(view, flag);
  const flagEntry = auditDraft(caller, current.at, {
    action: 'flag.update',
    environment,
    key: flag.key,
    before: current.flag,
    after: flag,
  });
  return {
    writes: { ramps, flags: new Map([[flag.key, flag]]) },
    versions: { flags: [versionOf(flagEntry, flag)] },
    audit: [entry, flagEntry],
    result,
  };
};

/** Whether an experiment of the flag would notice if the rule of a ramp was removed. */
export const isRuleNeeded = ({ snapshot }: FlagSetView, { key }: Flag): boolean =>
  liveExperiments(snapshot.records.experiments).some(({ flag }) => flag === key);
