import { useQuery } from '@tanstack/react-query';
import { Link, useRouteContext } from '@tanstack/react-router';
import { useId, useState, type ReactNode } from 'react';

import { CheckField, SelectField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { keyOf } from '../components/form-values.ts';
import { Loaded } from '../components/section.tsx';
import { DURATION_UNITS } from '../experiments/durations.ts';
import { metricListOptions, ON_HARM, type Metric } from '../experiments/experiments.ts';
import type { FlagResponse } from '../flag/document.ts';
import { flagOptions } from '../flag/flag-query.ts';
import { describeRule } from '../flag/sentence.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';
import {
  DEFAULT_STEPS,
  guardrailsOf,
  NEW_RULE,
  NEW_RULE_FIELD,
  rampOf,
  stepAfter,
  stepsOf,
  toPercent,
  type GuardrailValues,
  type StepValues,
} from './ramp-form.ts';
import { RAMPS_KEY, type RampResponse } from './ramps.ts';
import { useRows, type FormRow, type FormRows } from './rows.ts';

type RampDialogProps = {
  readonly environment: string;
  /** The ramp that is changed. A new one has none. */
  readonly ramp?: RampResponse;
  /** The flag of a new ramp, and its rule, if it is made on the page of the flag. */
  readonly flag?: string;
  readonly rule?: string | undefined;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onSaved: (key: string) => void;
};

/** Creates a ramp, or changes one that is not at work. */
export const RampDialog = (props: RampDialogProps) => {
  const { environment, ramp, isOpen, onClose, onSaved } = props;
  const { api } = useRouteContext({ from: '/signed-in' });
  const save = async (form: FormData): Promise<void> => {
    const { create, update } = api.procedures.ramps;
    const fields = rampOf(form);
    const key = ramp?.key ?? keyOf(form);
    if (ramp === undefined) await create.mutate({ environment, ...fields, key });
    else await update.mutate({ environment, ...fields, key, ifMatch: ramp.etag });
    await api.queries.invalidateQueries({ queryKey: RAMPS_KEY });
    onSaved(key);
  };
  return (
    <FormDialog
      isOpen={isOpen}
      isWide
      title={ramp === undefined ? t('ramps.release') : t('experiments.editOne', { name: ramp.key })}
      hint={ramp === undefined ? t('ramps.releaseHint') : undefined}
      submit={ramp === undefined ? t('settings.create') : t('settings.save')}
      onSubmit={save}
      onClose={onClose}
    >
      <RampFields {...props} />
    </FormDialog>
  );
};

type RampFieldsProps = Pick<RampDialogProps, 'environment' | 'ramp' | 'flag' | 'rule'>;

const RampFields = ({ environment, ramp, ...props }: RampFieldsProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const [flag, setFlag] = useState(ramp?.flag ?? props.flag ?? '');
  const { data: overview } = useQuery(overviewOptions(api));
  const flags = (overview?.flags ?? []).filter(({ cells }) => cells[environment]);
  const { data } = useQuery({
    ...flagOptions(api, environment, flag),
    enabled: flags.some(({ key }) => key === flag),
  });
  const metrics = useQuery(metricListOptions(api, environment));
  const steps = useRows(ramp === undefined ? DEFAULT_STEPS : stepsOf(ramp));
  const guardrails = useRows(ramp === undefined ? [] : guardrailsOf(ramp));
  const isCompared = guardrails.rows.length > 0;
  return (
    <>
      {ramp === undefined && (
        <TextField
          key={props.flag}
          name="key"
          label={t('settings.key')}
          hint={t('settings.keyHint')}
          value={props.flag === undefined ? '' : `${props.flag}-release`}
          isRequired
        />
      )}
      <FlagField
        flag={flag}
        isFixed={props.flag !== undefined}
        flags={flags.map(({ key }) => key)}
        onChange={setFlag}
      />
      <TargetFields
        key={`${flag} ${data?.version}`}
        flag={data}
        ramp={ramp}
        rule={ramp?.rule ?? props.rule}
        isCompared={isCompared}
      />
      <StepFields {...steps} />
      <Loaded query={metrics}>
        {all => <GuardrailFields {...guardrails} environment={environment} metrics={all} />}
      </Loaded>
      {isCompared && <GuardFields ramp={ramp} />}
      <TextField
        name="description"
        label={t('field.description')}
        value={ramp?.description ?? ''}
        rows={2}
      />
    </>
  );
};

/** Returns the id of a rule that the flag does not have yet. That of the ramp stays. */
const newRuleOf = (flag: FlagResponse | undefined, current: string | undefined): string => {
  const ids = new Set(flag?.rules.map(({ id }) => id));
  if (current !== undefined && !ids.has(current)) return current;
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? 'release' : `release-${number}`;
    if (!ids.has(id)) return id;
  }
};

/** So many flags are suggested, and others can be entered. */
const MAX_SUGGESTED = 200;

type FlagFieldProps = {
  readonly flag: string;
  readonly isFixed: boolean;
  readonly flags: readonly string[];
  readonly onChange: (flag: string) => void;
};

const FlagField = ({ flag, isFixed, flags, onChange }: FlagFieldProps) => {
  const id = useId();
  if (isFixed) return <input type="hidden" name="flag" value={flag} />;
  return (
    <>
      <TextField
        name="flag"
        label={t('experiments.flag')}
        value={flag}
        list={`${id}-flags`}
        onChange={onChange}
        isRequired
      />
      <datalist id={`${id}-flags`}>
        {flags.slice(0, MAX_SUGGESTED).map(key => (
          <option key={key} value={key} />
        ))}
      </datalist>
    </>
  );
};

type TargetFieldsProps = {
  readonly flag: FlagResponse | undefined;
  readonly ramp: RampResponse | undefined;
  readonly rule: string | undefined;
  readonly isCompared: boolean;
};

/** The rule, the variant that is released, and the one that it is compared with. */
const TargetFields = ({ flag, ramp, rule, isCompared }: TargetFieldsProps) => {
  const { rules = [], variants = {}, defaultVariant = null } = flag ?? {};
  const names = Object.keys(variants);
  const others = names.filter(name => name !== defaultVariant);
  const treatment = ramp?.treatment ?? others.at(-1) ?? names[0];
  const control = ramp?.control ?? defaultVariant ?? names.find(name => name !== treatment);
  return (
    <>
      <input type="hidden" name={NEW_RULE_FIELD} value={newRuleOf(flag, ramp?.rule)} />
      <SelectField
        name="rule"
        label={t('experiments.rule')}
        hint={t('ramps.ruleHint')}
        value={rules.some(({ id }) => id === rule) ? rule : NEW_RULE}
        choices={[
          [NEW_RULE, t('ramps.newRule')],
          ...rules.map((each, index) => [each.id, `${index + 1}. ${describeRule(each)}`] as const),
        ]}
      />
      <div className="field-columns">
        <SelectField
          name="treatment"
          label={t('ramps.treatment')}
          value={treatment}
          choices={names.map(name => [name, name])}
        />
        {isCompared && (
          <SelectField
            name="control"
            label={t('experiments.control')}
            hint={t('ramps.controlHint')}
            value={control}
            choices={names.map(name => [name, name])}
          />
        )}
      </div>
    </>
  );
};

type RowFieldsProps = {
  readonly legend: string;
  readonly hint: string;
  readonly addLabel: string;
  readonly onAdd: (() => void) | undefined;
  readonly children: ReactNode;
};

/** Rows of a form, and a button for another one. Each field shows its own errors. */
const RowFields = ({ legend, hint, addLabel, onAdd, children }: RowFieldsProps) => (
  <fieldset className="ramp-rows">
    <legend>{legend}</legend>
    <p className="hint">{hint}</p>
    {children}
    {onAdd !== undefined && (
      <button type="button" className="button" onClick={onAdd}>
        {addLabel}
      </button>
    )}
  </fieldset>
);

type RemoveProps = { readonly label: string; readonly onClick: () => void };

const RemoveButton = ({ label, onClick }: RemoveProps) => (
  <button type="button" className="button quiet" aria-label={label} title={label} onClick={onClick}>
    ×
  </button>
);

/** The server refuses more. */
const MAX_STEPS = 20;

const StepFields = ({ rows, add, remove }: FormRows<StepValues>) => (
  <RowFields
    legend={t('ramps.steps')}
    hint={t('ramps.stepsHint')}
    addLabel={t('ramps.addStep')}
    onAdd={rows.length < MAX_STEPS ? () => add(stepAfter(rows.at(-1)?.values)) : undefined}
  >
    {rows.map((row, index) => (
      <StepRow
        key={row.id}
        row={row}
        index={index}
        onRemove={rows.length > 1 ? () => remove(row.id) : undefined}
      />
    ))}
  </RowFields>
);

type StepRowProps = {
  readonly row: FormRow<StepValues>;
  readonly index: number;
  readonly onRemove: (() => void) | undefined;
};

const StepRow = ({ row: { values }, index, onRemove }: StepRowProps) => {
  const name = `steps.${index}`;
  const number = index + 1;
  return (
    <div className="ramp-row" role="group" aria-label={t('ramps.stepNumber', { number })}>
      <TextField
        name={`${name}.share`}
        type="number"
        label={t('ramps.share')}
        value={values.share}
      />
      <TextField
        name={`${name}.holdMinutes`}
        type="number"
        label={t('ramps.hold')}
        value={String(values.hold.count)}
      />
      <SelectField
        name={`${name}.holdMinutes:unit`}
        label={t('metrics.unit')}
        value={values.hold.unit}
        choices={DURATION_UNITS.map(unit => [unit, t(`metrics.unit.${unit}`)])}
      />
      <CheckField
        name={`${name}.approval`}
        label={t('ramps.approval')}
        isChecked={values.approval}
      />
      {onRemove !== undefined && (
        <RemoveButton label={t('ramps.removeStep', { number })} onClick={onRemove} />
      )}
    </div>
  );
};

type GuardrailFieldsProps = FormRows<GuardrailValues> & {
  readonly environment: string;
  readonly metrics: readonly Metric[];
};

const GuardrailFields = ({ rows, add, remove, environment, metrics }: GuardrailFieldsProps) => {
  const [first] = metrics;
  return (
    <RowFields
      legend={t('results.guardrails')}
      hint={t('ramps.guardrailsHint')}
      addLabel={t('ramps.addGuardrail')}
      onAdd={
        first === undefined
          ? undefined
          : () => add({ metric: nextMetric(rows, metrics), tolerance: '0', onHarm: 'rollback' })
      }
    >
      {first === undefined && (
        <p>
          <Link to="/experiments/metrics" search={{ env: environment }}>
            {t('ramps.noMetrics')}
          </Link>
        </p>
      )}
      {rows.map(({ id, values }, index) => (
        <div key={id} className="ramp-row guardrail">
          <SelectField
            name={`guardrails.${index}.metric`}
            label={t('results.metric')}
            value={values.metric}
            choices={metrics.map(({ key, name, direction }) => [
              key,
              `${name ?? key} (${t(`metrics.good.${direction}`)})`,
            ])}
          />
          <TextField
            name={`guardrails.${index}.tolerance`}
            type="number"
            label={t('ramps.tolerance')}
            value={values.tolerance}
          />
          <SelectField
            name={`guardrails.${index}.onHarm`}
            label={t('experiments.onHarm')}
            value={values.onHarm}
            choices={ON_HARM.map(each => [each, t(`experiments.onHarm.${each}`)])}
          />
          <RemoveButton
            label={t('ramps.removeGuardrail', { number: index + 1 })}
            onClick={() => remove(id)}
          />
        </div>
      ))}
    </RowFields>
  );
};

/** Returns a metric that no row was made with: first those of which less is better. */
const nextMetric = (
  rows: readonly FormRow<GuardrailValues>[],
  metrics: readonly Metric[],
): string => {
  const free = metrics.filter(({ key }) => rows.every(({ values }) => values.metric !== key));
  const harmful = free.find(({ direction }) => direction === 'decrease');
  return (harmful ?? free[0] ?? metrics[0])?.key ?? '';
};

const DEFAULTS = { alpha: 0.05, minUnits: 100, staleAfterMinutes: 30 };

/** How the guardrails are tested. */
const GuardFields = ({ ramp }: { readonly ramp: RampResponse | undefined }) => {
  const { alpha, minUnits, staleAfterMinutes } = ramp ?? DEFAULTS;
  return (
    <div className="field-columns ramp-guard">
      <TextField
        name="alpha"
        type="number"
        label={t('ramps.alphaField')}
        hint={t('ramps.alphaHint')}
        value={toPercent(alpha)}
      />
      <TextField
        name="minUnits"
        type="number"
        label={t('ramps.minUnits')}
        hint={t('ramps.minUnitsHint')}
        value={String(minUnits)}
      />
      <SelectField
        name="onMismatch"
        label={t('ramps.onMismatch')}
        hint={t('ramps.onMismatchHint')}
        value={ramp?.onMismatch ?? 'pause'}
        choices={ON_HARM.map(each => [each, t(`experiments.onHarm.${each}`)])}
      />
      <TextField
        name="staleAfterMinutes"
        type="number"
        label={t('ramps.staleAfterField')}
        hint={t('ramps.staleAfterHint')}
        value={String(staleAfterMinutes)}
      />
    </div>
  );
};
