import type { Evaluation, EvaluationFlag, Failed, Value } from '@pennon/schema';

import type { FlagSetView } from '../flag-set/live-flag-set.ts';
import { once } from '../once.ts';
import type { ResultForm } from './bulk-evaluation.ts';
import { versionOf } from './result-text.ts';

/** The form of the OpenFeature Remote Evaluation Protocol, which clients of other projects read. */
export const OFREP: ResultForm = {
  name: 'ofrep',
  open: () => '{"flags":[',
  textOf: (evaluation, view) =>
    evaluation.reason === 'ERROR' ? failureText(evaluation) : successText(evaluation, view),
  close: ']}',
  hasWeakTags: false,
  members: new WeakMap(),
};

const failureText = ({ flagKey, errorCode, errorMessage }: Failed): string =>
  JSON.stringify({ key: flagKey, errorCode, errorDetails: errorMessage });

/** Without a value, clients use the default value in code. Some of them require a variant even then. */
const successText = (evaluation: Exclude<Evaluation, Failed>, view: FlagSetView): string => {
  const { flagKey: key, reason } = evaluation;
  const isServed = 'variant' in evaluation;
  const open = JSON.stringify({ key, reason, variant: isServed ? evaluation.variant : '' });
  const flag = view.flagSet.flags.get(key);
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

/** Some clients know the type of a number by its text: a flag with fractions has `10.0`, others have `10`. */
const valueText = (value: Value, flag: EvaluationFlag | undefined): string => {
  const text = JSON.stringify(value);
  const isWhole = typeof value === 'number' && /^-?\d+$/.test(text);
  return isWhole && flag !== undefined && hasFractions(flag) ? `${text}.0` : text;
};

const hasFractions = once(({ variants }: EvaluationFlag): boolean =>
  Object.values(variants).some(value => typeof value === 'number' && !Number.isInteger(value)),
);
