import type { Evaluation, Failed, Flag, Value } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { isWholeText, numberTypeOf } from '../resources/code-fields.ts';
import type { BulkForm } from './bulk-evaluation.ts';
import { createPrepared } from './prepared-flags.ts';
import { versionOf } from './result-text.ts';

/** The form of the OpenFeature Remote Evaluation Protocol, which clients of other projects read. */
export const OFREP: BulkForm = {
  name: 'ofrep',
  open: () => '{"flags":[',
  textOf: (evaluation, view) =>
    evaluation.reason === 'ERROR' ? failureText(evaluation) : successText(evaluation, view),
  close: ']}',
  hasWeakTags: false,
  prepared: createPrepared(),
};

const failureText = ({ flagKey, errorCode, errorMessage }: Failed): string =>
  JSON.stringify({ key: flagKey, errorCode, errorDetails: errorMessage });

/** Without a value, clients use the default value in code. Some of them require a variant even then. */
const successText = (evaluation: Exclude<Evaluation, Failed>, view: FlagSetView): string => {
  const { flagKey: key, reason } = evaluation;
  const isServed = 'variant' in evaluation;
  const open = JSON.stringify({ key, reason, variant: isServed ? evaluation.variant : '' });
  const flag = view.snapshot.records.flags.get(key)?.document;
  const value = isServed ? `,"value":${valueText(evaluation.value, flag)}` : '';
  const metadata = JSON.stringify(metadataOf(evaluation, view));
  return `${open.slice(0, -1)}${value},"metadata":${metadata}}`;
};

/** The metadata that Pennon's own providers report, under the same names. */
const metadataOf = (evaluation: Exclude<Evaluation, Failed>, view: FlagSetView) => ({
  ...evaluation.metadata,
  version: versionOf(view, evaluation),
  flagSetId: view.flagSet.environment,
  ...('ruleId' in evaluation ? { ruleId: evaluation.ruleId } : {}),
});

/** Some clients know the type of a number by its text, so a flag of floats has `10.0` and one of integers has `10`. */
const valueText = (value: Value, flag: Flag | undefined): string => {
  const text = JSON.stringify(value);
  const isWhole = typeof value === 'number' && isWholeText(text);
  return isWhole && flag !== undefined && numberTypeOf(flag) === 'float' ? `${text}.0` : text;
};
