import { FieldError } from '../api/errors.ts';
import { choiceOf, numberOrNull, textOf, textOrNull } from '../components/form-values.ts';
import { DURATION_UNITS, durationOf, toMs, type Duration } from '../experiments/durations.ts';
import { ON_HARM } from '../experiments/experiments.ts';
import { t } from '../i18n/i18n.ts';
import { PERCENT, type Ramp, type RampCreate } from './ramps.ts';

const MINUTE_MS = 60_000;

/** A step as a form has it. */
export type StepValues = {
  readonly share: string;
  readonly hold: Duration;
  readonly approval: boolean;
};

/** A guardrail as a form has it. */
export type GuardrailValues = {
  readonly metric: string;
  readonly tolerance: string;
  readonly onHarm: (typeof ON_HARM)[number];
};

/** Little is risked first, and the steps last longer as more is known. */
export const DEFAULT_STEPS: readonly StepValues[] = [
  { share: '1', hold: { count: 1, unit: 'hour' }, approval: false },
  { share: '5', hold: { count: 4, unit: 'hour' }, approval: false },
  { share: '25', hold: { count: 12, unit: 'hour' }, approval: false },
  { share: '50', hold: { count: 1, unit: 'day' }, approval: false },
];

/** Returns what follows the last step, which is twice its share if that is possible. */
export const stepAfter = (last: StepValues | undefined): StepValues => ({
  share: last === undefined ? '1' : String(Math.min(PERCENT, 2 * Number(last.share)) || ''),
  hold: last?.hold ?? { count: 1, unit: 'hour' },
  approval: false,
});

export const stepsOf = ({ steps }: Pick<Ramp, 'steps'>): readonly StepValues[] =>
  steps.map(({ share, holdMinutes, approval }) => ({
    share: String(share),
    hold: durationOf(holdMinutes * MINUTE_MS),
    approval: approval === true,
  }));

export const guardrailsOf = ({
  guardrails,
}: Pick<Ramp, 'guardrails'>): readonly GuardrailValues[] =>
  guardrails.map(({ metric, tolerance, onHarm }) => ({
    metric,
    tolerance: toPercent(tolerance ?? 0),
    onHarm: onHarm ?? 'rollback',
  }));

/** Returns a share in percent, without the digits that only binary fractions have. */
export const toPercent = (share: number): string =>
  String(Number((share * PERCENT).toPrecision(12)));

/** In place of the id of a rule: the ramp adds one. */
export const NEW_RULE = '';

type RampFields = Omit<RampCreate, 'key' | 'environment'>;

/** The name of the field with the id of the rule that the ramp adds. */
export const NEW_RULE_FIELD = 'rule:new';

/** Returns how many rows a form has whose fields begin with a name. */
const countRows = (form: FormData, name: 'steps' | 'guardrails'): number => {
  const indexes = [...form.keys()]
    .filter(each => each.startsWith(`${name}.`))
    .map(each => each.split('.')[1]);
  return new Set(indexes).size;
};

/** Returns the ramp in a form. */
export const rampOf = (form: FormData): RampFields => {
  const rule = textOf(form, 'rule');
  const [steps, guardrails] = [countRows(form, 'steps'), countRows(form, 'guardrails')];
  const fields = {
    description: textOrNull(form, 'description'),
    flag: textOf(form, 'flag'),
    rule: rule === NEW_RULE ? textOf(form, NEW_RULE_FIELD) : rule,
    treatment: textOf(form, 'treatment'),
    steps: Array.from({ length: steps }, (_, index) => stepIn(form, index)),
    guardrails: Array.from({ length: guardrails }, (_, index) => guardrailIn(form, index)),
  };
  if (guardrails === 0) return { ...fields, control: null };
  return {
    ...fields,
    control: textOf(form, 'control'),
    alpha: alphaIn(form),
    minUnits: numberOrNull(form, 'minUnits'),
    onMismatch: choiceOf(form, 'onMismatch', ON_HARM),
    staleAfterMinutes: numberOrNull(form, 'staleAfterMinutes'),
  };
};

/** The largest that the server accepts, in percent. */
const MAX_ALPHA = 50;

const alphaIn = (form: FormData): number | null => {
  const percent = numberOrNull(form, 'alpha');
  if (percent === null) return null;
  if (!(percent > 0 && percent <= MAX_ALPHA)) throw new FieldError('alpha', t('ramps.alphaRange'));
  return percent / PERCENT;
};

const stepIn = (form: FormData, index: number): RampFields['steps'][number] => {
  const name = `steps.${index}`;
  const hold = toMs({
    count: numberOrNull(form, `${name}.holdMinutes`) ?? 0,
    unit: choiceOf(form, `${name}.holdMinutes:unit`, DURATION_UNITS) ?? 'hour',
  });
  return {
    // What is missing is for the server to refuse, with the name of the field.
    share: numberOrNull(form, `${name}.share`) ?? 0,
    holdMinutes: hold / MINUTE_MS,
    approval: form.get(`${name}.approval`) !== null,
  };
};

const guardrailIn = (
  form: FormData,
  index: number,
): NonNullable<RampFields['guardrails']>[number] => {
  const name = `guardrails.${index}`;
  const percent = numberOrNull(form, `${name}.tolerance`);
  if (percent !== null && !(percent >= 0 && percent < PERCENT))
    throw new FieldError(`${name}.tolerance`, t('ramps.toleranceRange'));
  return {
    metric: textOf(form, `${name}.metric`),
    tolerance: percent === null ? null : percent / PERCENT,
    onHarm: choiceOf(form, `${name}.onHarm`, ON_HARM) ?? 'rollback',
  };
};
