import { useMutation } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import { useRef, useState } from 'react';

import { detailsOf, type ErrorDetail } from '../api/errors.ts';
import type { Api } from '../api/api.ts';
import { describeError } from '../app/pages.tsx';
import { FormErrors, SelectField, TextField } from '../components/field.tsx';
import { choiceOf, numberOrNull, textOf } from '../components/form-values.ts';
import { flagOptions } from '../flag/flag-query.ts';
import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { METHODS, type Experiment, type PlanCreate, type PlanResult } from './experiments.ts';
import { localTime } from './local-time.ts';

type PlanFieldsProps = {
  readonly environment: string;
  readonly experiment: Experiment | undefined;
};

type Filled = { readonly end: string; readonly units: string };

/** The planned end and units of an experiment, with a calculator that fills them in. */
export const PlanFields = ({ environment, experiment }: PlanFieldsProps) => {
  const [filled, setFilled] = useState<Filled>({
    end: localTime(experiment?.plan?.end),
    units: experiment?.plan?.units.toString() ?? '',
  });
  return (
    <>
      <div className="field-columns">
        <SelectField
          name="analysis.method"
          label={t('experiments.method')}
          value={experiment?.analysis.method}
          choices={METHODS.map(method => [method, t(`experiments.method.${method}`)])}
        />
        <TextField
          key={`end ${filled.end}`}
          name="plan.end"
          type="datetime-local"
          label={t('experiments.end')}
          hint={t('experiments.endHint')}
          value={filled.end}
        />
        <TextField
          key={`units ${filled.units}`}
          name="plan.units"
          type="number"
          label={t('experiments.units')}
          hint={t('experiments.unitsHint')}
          value={filled.units}
        />
      </div>
      <Calculator environment={environment} onFill={setFilled} />
    </>
  );
};

const KINDS = ['conversion', 'mean'] as const;
const PERCENT = 100;

type CalculatorProps = {
  readonly environment: string;
  readonly onFill: (filled: Filled) => void;
};

/** Computes what follows from two of effect, units, days and units a day. */
const Calculator = ({ environment, onFill }: CalculatorProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const [kind, setKind] = useState<(typeof KINDS)[number]>('conversion');
  const [errors, setErrors] = useState<readonly ErrorDetail[]>([]);
  const box = useRef<HTMLDetailsElement>(null);
  const plan = useMutation({
    mutationFn: async (form: FormData) =>
      api.procedures.experiments.plan.mutate(await planOf(api, environment, form)),
    onMutate: () => setErrors([]),
    onError: error => setErrors(detailsOf(error)),
  });
  const compute = (): void => {
    const form = box.current?.closest('form');
    if (form != null) plan.mutate(new FormData(form));
  };
  const isOther = plan.isError && errors.length === 0;
  return (
    <details ref={box} className="calculator">
      <summary>{t('calculator.title')}</summary>
      <FormErrors value={errors}>
        <div className="calculator-body">
          <p className="hint">{t('calculator.hint')}</p>
          <div className="field-columns">
            <SelectField
              name="kind"
              label={t('calculator.kind')}
              choices={KINDS.map(each => [each, t(`calculator.kind.${each}`)])}
              onChange={value => setKind(KINDS.find(each => each === value) ?? 'conversion')}
            />
            <TextField
              name="baseline"
              type="number"
              label={t(kind === 'conversion' ? 'calculator.rate' : 'calculator.mean')}
            />
            {kind === 'mean' && (
              <TextField
                name="standardDeviation"
                type="number"
                label={t('calculator.standardDeviation')}
              />
            )}
          </div>
          <div className="field-columns">
            <TextField name="effect" type="number" label={t('calculator.effect')} />
            <TextField name="unitsPerDay" type="number" label={t('calculator.unitsPerDay')} />
            <TextField name="days" type="number" label={t('calculator.days')} />
            <TextField name="units" type="number" label={t('calculator.units')} />
          </div>
          <button type="button" className="button" onClick={compute}>
            {t('calculator.compute')}
          </button>
          <p className="error" role="alert">
            {isOther && describeError(plan.error)}
          </p>
          <div role="status">
            {plan.data !== undefined && !plan.isError && (
              <Computed plan={plan.data} onFill={onFill} />
            )}
          </div>
        </div>
      </FormErrors>
    </details>
  );
};

type ComputedProps = Pick<CalculatorProps, 'onFill'> & { readonly plan: PlanResult };

const DAY_MS = 86_400_000;

const Computed = ({ plan, onFill }: ComputedProps) => {
  const { units, unitsByVariant, effect, days, recommendedDays, unitsPerDay } = plan;
  const length = recommendedDays ?? days;
  const fill = (): void => {
    const end = length === null ? '' : new Date(Date.now() + length * DAY_MS).toISOString();
    onFill({ units: String(units), end: localTime(end || undefined) });
  };
  return (
    <div className="calculator-result">
      <p>
        <strong>{t('calculator.result', { units, effect: formatPercentage(effect) })}</strong>
      </p>
      <p className="hint">
        {[
          t('calculator.byVariant', { units: unitsByVariant.map(formatNumber).join(' + ') }),
          plan.unitsPerDayFrom !== null &&
            t(`calculator.${plan.unitsPerDayFrom}`, { units: unitsPerDay ?? 0 }),
          days !== null && t('calculator.duration', { days }),
          recommendedDays !== null && t('calculator.recommended', { days: recommendedDays }),
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <button type="button" className="button" onClick={fill}>
        {t('calculator.fill')}
      </button>
    </div>
  );
};

/** Returns what the form around the calculator designs. */
const planOf = async (api: Api, environment: string, form: FormData): Promise<PlanCreate> => {
  const kind = choiceOf(form, 'kind', KINDS) ?? 'conversion';
  const baseline = numberOrNull(form, 'baseline') ?? Number.NaN;
  const effect = numberOrNull(form, 'effect');
  const primary = [...form].filter(
    ([name, value]) => name.startsWith('role:') && value === 'primary',
  );
  const [flag, rule] = [textOf(form, 'flag'), textOf(form, 'rule')];
  return {
    environment,
    ...(flag !== '' && rule !== '' && { flag, rule }),
    kind,
    baseline: kind === 'conversion' ? baseline / PERCENT : baseline,
    standardDeviation: numberOrNull(form, 'standardDeviation'),
    effect: effect === null ? null : effect / PERCENT,
    unitsPerDay: numberOrNull(form, 'unitsPerDay'),
    days: numberOrNull(form, 'days'),
    units: numberOrNull(form, 'units'),
    weights: await weightsOf(api, environment, form),
    primaryMetrics: Math.max(1, primary.length),
    method: choiceOf(form, 'analysis.method', METHODS) ?? 'sequential',
  };
};

/** Returns the weights of the split, that of the control first. Without a split all variants have the same. */
const weightsOf = async (
  api: Api,
  environment: string,
  form: FormData,
): Promise<number[] | undefined> => {
  const [flag, rule, control] = [
    textOf(form, 'flag'),
    textOf(form, 'rule'),
    textOf(form, 'control'),
  ];
  if (flag === '' || rule === '') return undefined;
  const { rules } = await api.queries.fetchQuery(flagOptions(api, environment, flag));
  const split = (rules.find(({ id }) => id === rule)?.split ?? []).filter(
    ({ weight }) => weight > 0,
  );
  const of = (isControl: boolean): number[] =>
    split.filter(({ variant }) => (variant === control) === isControl).map(({ weight }) => weight);
  return split.length < 2 ? undefined : [...of(true), ...of(false)];
};
