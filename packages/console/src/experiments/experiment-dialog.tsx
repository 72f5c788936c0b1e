import { useQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import { useId, useState } from 'react';

import { GroupField, SelectField, TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { choiceOf, keyOf, numberOrNull, textOf, textOrNull } from '../components/form-values.ts';
import { Loaded } from '../components/section.tsx';
import { flagOptions } from '../flag/flag-query.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { t } from '../i18n/i18n.ts';
import {
  EXPERIMENTS_KEY,
  METHODS,
  metricListOptions,
  ON_HARM,
  ROLES,
  type Experiment,
  type ExperimentCreate,
  type ExperimentMetric,
  type Metric,
  type MetricRole,
} from './experiments.ts';
import { PlanFields } from './plan-fields.tsx';

type ExperimentDialogProps = {
  readonly environment: string;
  /** The draft that is changed. A new experiment has none. */
  readonly experiment?: (Experiment & { readonly etag: string }) | undefined;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onSaved: (key: string) => void;
};

/** Creates an experiment, or changes one that does not run. */
export const ExperimentDialog = (props: ExperimentDialogProps) => {
  const { environment, experiment, isOpen, onClose, onSaved } = props;
  const { api } = useRouteContext({ from: '/signed-in' });
  const metrics = useQuery({ ...metricListOptions(api, environment), enabled: isOpen });
  const save = async (form: FormData): Promise<void> => {
    const { create, update } = api.procedures.experiments;
    const fields = fieldsOf(form);
    const key = experiment?.key ?? keyOf(form);
    if (experiment === undefined) await create.mutate({ environment, ...fields, key });
    else await update.mutate({ environment, ...fields, key, ifMatch: experiment.etag });
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
    onSaved(key);
  };
  return (
    <FormDialog
      isOpen={isOpen}
      isWide
      title={
        experiment === undefined
          ? t('experiments.create')
          : t('experiments.editOne', { name: experiment.key })
      }
      submit={experiment === undefined ? t('settings.create') : t('settings.save')}
      onSubmit={save}
      onClose={onClose}
    >
      {experiment === undefined && (
        <TextField name="key" label={t('settings.key')} hint={t('settings.keyHint')} isRequired />
      )}
      <TextField
        name="hypothesis"
        label={t('experiments.hypothesis')}
        hint={t('experiments.hypothesisHint')}
        value={experiment?.hypothesis ?? ''}
        rows={2}
      />
      <TargetFields environment={environment} experiment={experiment} />
      <Loaded query={metrics}>
        {all => <MetricFields all={all} chosen={experiment?.metrics ?? []} />}
      </Loaded>
      <PlanFields environment={environment} experiment={experiment} />
    </FormDialog>
  );
};

type TargetFieldsProps = Pick<ExperimentDialogProps, 'environment' | 'experiment'>;

/** So many flags are suggested, and others can be entered. */
const MAX_SUGGESTED = 200;

/** The flag, its rule, and the variant that the others are compared with. */
const TargetFields = ({ environment, experiment }: TargetFieldsProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const id = useId();
  const [flag, setFlag] = useState(experiment?.flag ?? '');
  const [rule, setRule] = useState(experiment?.rule);
  const { data: overview } = useQuery(overviewOptions(api));
  const split = (overview?.flags ?? []).filter(({ cells }) => cells[environment]?.rules);
  const { data } = useQuery({
    ...flagOptions(api, environment, flag),
    enabled: split.some(({ key }) => key === flag),
  });
  const rules = (data?.rules ?? []).filter(each => (each.split?.length ?? 0) > 1);
  const shownRule = rules.find(each => each.id === rule) ?? rules[0];
  const variants = (shownRule?.split ?? []).filter(({ weight }) => weight > 0);
  return (
    <>
      <TextField
        name="flag"
        label={t('experiments.flag')}
        hint={
          data !== undefined && rules.length === 0
            ? t('experiments.noSplit')
            : t('experiments.flagHint')
        }
        value={flag}
        list={`${id}-flags`}
        onChange={setFlag}
        isRequired
      />
      <datalist id={`${id}-flags`}>
        {split.slice(0, MAX_SUGGESTED).map(({ key }) => (
          <option key={key} value={key} />
        ))}
      </datalist>
      <div className="field-columns">
        <SelectField
          key={`rule ${flag}`}
          name="rule"
          label={t('experiments.rule')}
          value={shownRule?.id}
          choices={rules.map(each => [each.id, each.id])}
          onChange={setRule}
        />
        <SelectField
          key={`control ${flag} ${shownRule?.id}`}
          name="control"
          label={t('experiments.control')}
          hint={t('experiments.controlHint')}
          value={experiment?.control}
          choices={variants.map(({ variant }) => [variant, variant])}
        />
      </div>
    </>
  );
};

type MetricFieldsProps = {
  readonly all: readonly Metric[];
  readonly chosen: readonly ExperimentMetric[];
};

/** The metrics, each with what it decides. */
const MetricFields = ({ all, chosen }: MetricFieldsProps) => (
  <GroupField name="metrics" label={t('metrics.title')} hint={t('experiments.metricsHint')}>
    {all.length === 0 && <p className="hint">{t('experiments.noMetrics')}</p>}
    {all.map(({ key, name }) => (
      <MetricRow
        key={key}
        metric={key}
        label={name == null ? key : `${key} · ${name}`}
        chosen={chosen.find(({ metric }) => metric === key)}
      />
    ))}
  </GroupField>
);

type MetricRowProps = {
  readonly metric: string;
  readonly label: string;
  readonly chosen: ExperimentMetric | undefined;
};

const PERCENT = 100;
const percentText = (share: number | null | undefined): string =>
  share == null ? '' : String(Number((share * PERCENT).toPrecision(12)));

const MetricRow = ({ metric, label, chosen }: MetricRowProps) => {
  const [role, setRole] = useState<MetricRole | ''>(chosen?.role ?? '');
  return (
    <div className="metric-row">
      <label className="grant">
        <bdi className="clipped">{label}</bdi>
        <select
          className="input"
          name={`role:${metric}`}
          value={role}
          onChange={({ target }) => setRole(ROLES.find(each => each === target.value) ?? '')}
        >
          <option value="">{t('experiments.role.none')}</option>
          {ROLES.map(each => (
            <option key={each} value={each}>
              {t(`experiments.role.${each}`)}
            </option>
          ))}
        </select>
      </label>
      {role === 'guardrail' && (
        <div className="field-columns">
          <TextField
            name={`tolerance:${metric}`}
            type="number"
            label={t('experiments.tolerance')}
            value={percentText(chosen?.tolerance)}
          />
          <SelectField
            name={`onHarm:${metric}`}
            label={t('experiments.onHarm')}
            value={chosen?.onHarm ?? 'warn'}
            choices={ON_HARM.map(each => [each, t(`experiments.onHarm.${each}`)])}
          />
        </div>
      )}
      {(role === 'primary' || role === 'secondary') && (
        <TextField
          name={`minimumEffect:${metric}`}
          type="number"
          label={t('experiments.minimumEffect')}
          value={percentText(chosen?.minimumEffect)}
        />
      )}
    </div>
  );
};

const shareOf = (form: FormData, name: string): number | null => {
  const percent = numberOrNull(form, name);
  return percent === null ? null : percent / PERCENT;
};

const metricsOf = (form: FormData): ExperimentMetric[] =>
  [...form.keys()]
    .filter(name => name.startsWith('role:'))
    .flatMap((name): ExperimentMetric[] => {
      const metric = name.slice('role:'.length);
      const role = choiceOf(form, name, ROLES);
      if (role === undefined) return [];
      return role === 'guardrail'
        ? [
            {
              metric,
              role,
              tolerance: shareOf(form, `tolerance:${metric}`),
              onHarm: choiceOf(form, `onHarm:${metric}`, ON_HARM) ?? 'warn',
            },
          ]
        : [{ metric, role, minimumEffect: shareOf(form, `minimumEffect:${metric}`) }];
    });

type ExperimentFields = Omit<ExperimentCreate, 'key' | 'environment'>;

const fieldsOf = (form: FormData): ExperimentFields => ({
  hypothesis: textOrNull(form, 'hypothesis'),
  flag: textOf(form, 'flag'),
  rule: textOf(form, 'rule'),
  control: textOf(form, 'control'),
  metrics: metricsOf(form),
  analysis: { method: choiceOf(form, 'analysis.method', METHODS) ?? 'sequential' },
  plan: planOf(form),
});

const planOf = (form: FormData): ExperimentFields['plan'] => {
  const end = textOf(form, 'plan.end');
  const units = numberOrNull(form, 'plan.units');
  if (end === '' && units === null) return null;
  // What is missing is for the server to refuse, with the name of the field.
  return { end: end && new Date(end).toISOString(), units: units ?? 0 };
};
