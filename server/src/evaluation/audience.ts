import type { Evaluation, Failed } from '@pennon/schema';

import type { Caller } from '../auth/caller.ts';
import { seesOnlyVisible } from '../auth/caller.ts';
import { isClientVisible } from '../flag-set/client-view.ts';
import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { isMeasured, measuredChange, measuredOf, type Measured } from '../flag-set/measured.ts';
import { once } from '../once.ts';

/** Who reads evaluations, which decides what they may contain. */
export type Audience = {
  readonly name: string;
  /** Whether flags that are not `clientVisible` do not exist for it. */
  readonly visibleOnly: boolean;
  /** Returns an evaluation as the audience may see it: the same object for the same evaluation and measured rules. */
  readonly present: (evaluation: Evaluation, view: FlagSetView) => Evaluation;
};

/** Keys that may read rules see all of a result. */
const TRUSTED: Audience = {
  name: 'trusted',
  visibleOnly: false,
  present: evaluation => evaluation,
};

/** Messages that name no attribute, segment or pattern of a rule. */
const PUBLIC_MESSAGES: Readonly<Partial<Record<Failed['errorCode'], string>>> = {
  TARGETING_KEY_MISSING:
    'needs an attribute of the evaluation context that is missing, such as the targeting key',
  PARSE_ERROR: 'cannot be evaluated: it is malformed',
};

const withoutRule = (evaluation: Evaluation): Evaluation => {
  if (!('ruleId' in evaluation)) return evaluation;
  const { ruleId: _, ...rest } = evaluation;
  return Object.freeze(rest);
};

const withPublicMessage = (failed: Failed): Failed => {
  const message = PUBLIC_MESSAGES[failed.errorCode];
  return message === undefined
    ? failed
    : Object.freeze({ ...failed, errorMessage: `the flag "${failed.flagKey}" ${message}` });
};

/** Client keys are public, so their results contain nothing of the rules. */
const createPublicAudience = (showsRuleIds: boolean): Audience => {
  const present = once((evaluation: Evaluation): Evaluation => {
    if (evaluation.reason === 'ERROR') return withPublicMessage(evaluation);
    return showsRuleIds ? evaluation : withoutRule(evaluation);
  });
  return {
    name: 'public',
    visibleOnly: true,
    present: (evaluation, { flagSet }) =>
      isOfMeasuredRule(evaluation, flagSet) ? evaluation : present(evaluation),
  };
};

/** An exposure is a result of the rule of an experiment, so pages that measure must see its id. */
const isOfMeasuredRule = (evaluation: Evaluation, measured: Measured): boolean =>
  measured.experiments !== undefined &&
  'ruleId' in evaluation &&
  evaluation.ruleId !== undefined &&
  isMeasured(measured, evaluation.flagKey, evaluation.ruleId);

/** Returns the audience of a caller. `showsRuleIds` adds the ids of rules for client keys, to debug. */
export const createAudiences = (showsRuleIds: boolean): ((caller: Caller) => Audience) => {
  const publicAudience = createPublicAudience(showsRuleIds);
  return caller => (seesOnlyVisible(caller) ? publicAudience : TRUSTED);
};

/** Whether a flag exists for an audience. */
export const isVisible = (
  { flagSet }: FlagSetView,
  { visibleOnly }: Audience,
  key: string,
): boolean => (visibleOnly ? isClientVisible(flagSet.flags.get(key)) : flagSet.flags.has(key));

/** The keys of all flags that exist for an audience, in order. */
export const visibleKeys = (view: FlagSetView, audience: Audience): readonly string[] =>
  audience.visibleOnly ? view.client.flagKeys() : view.compiled.flagKeys;

/** The revision of the flags that an audience sees. */
export const revisionFor = ({ client, flagSet }: FlagSetView, { visibleOnly }: Audience): number =>
  visibleOnly ? client.revision : flagSet.revision;

/** What identifies the flags that an audience sees, and their revision. */
export const versionFor = (
  view: FlagSetView,
  audience: Audience,
): { readonly id: string; readonly revision: number } => ({
  id: audience.visibleOnly ? view.client.idOf(view.flagSet) : view.flagSet.id,
  revision: revisionFor(view, audience),
});

/** What an audience measures of a flag set. */
export const measuredFor = (
  { client, flagSet }: FlagSetView,
  { visibleOnly }: Audience,
): Measured => (visibleOnly ? client.measured : measuredOf(flagSet, key => flagSet.flags.has(key)));

/** Returns what is measured as JSON members, each with a comma after it. Empty if there is nothing. */
export const measuredText = ({ experiments, tracked }: Measured): string =>
  experiments === undefined
    ? ''
    : `"experiments":${JSON.stringify(experiments)},"tracked":${JSON.stringify(tracked)},`;

/** What is measured since the previous view of a reader, if that has changed. */
export const measuredSince = (
  previous: FlagSetView,
  view: FlagSetView,
  audience: Audience,
): Measured => measuredChange(measuredFor(previous, audience), measuredFor(view, audience));

/** The same error for unknown flags and for flags hidden from a client key, so it reveals nothing about them. */
export const flagNotFound = (flagKey: string): Failed => ({
  flagKey,
  enabled: false,
  reason: 'ERROR',
  errorCode: 'FLAG_NOT_FOUND',
  errorMessage: `there is no flag "${flagKey}"`,
});
