import { useQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import { useState } from 'react';

import { SelectField, TextField } from '../components/field.tsx';
import { DeleteFormDialog } from '../components/delete-form-dialog.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { choiceOf, keyOf, numberOrNull, textOf, textOrNull } from '../components/form-values.ts';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { DURATION_UNITS, durationOf, formatDuration, toMs } from './durations.ts';
import { ExperimentsFrame, type InEnvironment } from './experiments-frame.tsx';
import {
  DIRECTIONS,
  EXPERIMENTS_KEY,
  METRIC_KINDS,
  metricListOptions,
  type Metric,
  type MetricCreate,
  type MetricKind,
} from './experiments.ts';

/** What is measured in one environment. */
export const MetricsPage = () => (
  <ExperimentsFrame path="/experiments/metrics">{place => <Metrics {...place} />}</ExperimentsFrame>
);

type Task =
  | { readonly kind: 'create' }
  | { readonly kind: 'edit' | 'copy' | 'delete'; readonly metric: Metric };

const Metrics = ({ environment, reason }: InEnvironment) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const metrics = useQuery(metricListOptions(api, environment));
  const [task, setTask] = useState<Task>();
  return (
    <>
      <Section
        title={t('metrics.in', { environment })}
        hint={t('metrics.hint')}
        action={
          <ActionButton reason={reason} onClick={() => setTask({ kind: 'create' })}>
            {t('metrics.create')}
          </ActionButton>
        }
      >
        <Loaded query={metrics}>
          {all => (
            <ItemList items={all} empty={t('metrics.none')}>
              {metric => (
                <ListItem
                  key={metric.key}
                  title={<bdi className="flag-key">{metric.key}</bdi>}
                  about={[metric.name, describeMetric(metric)]}
                >
                  {(['edit', 'copy', 'delete'] as const).map(kind => (
                    <ActionButton
                      key={kind}
                      reason={reason}
                      label={t(`metrics.${kind}One`, { name: metric.key })}
                      onClick={() => setTask({ kind, metric })}
                    >
                      {t(`metrics.${kind}`)}
                    </ActionButton>
                  ))}
                </ListItem>
              )}
            </ItemList>
          )}
        </Loaded>
      </Section>
      {task?.kind === 'delete' ? (
        <DeleteMetric
          environment={environment}
          metric={task.metric}
          onClose={() => setTask(undefined)}
        />
      ) : (
        <MetricDialog environment={environment} task={task} onClose={() => setTask(undefined)} />
      )}
    </>
  );
};

/** Returns what a metric measures, in words. */
export const describeMetric = (metric: Metric): string => {
  const { kind, event, numerator, denominator, window, direction } = metric;
  const measured =
    kind === 'ratio'
      ? t('metrics.about.ratio', { numerator: numerator?.event, denominator: denominator?.event })
      : t(`metrics.about.${kind}`, { event });
  const within =
    window.fromMs === 0
      ? t('metrics.within', { time: formatDuration(window.toMs) })
      : t('metrics.between', {
          from: formatDuration(window.fromMs),
          to: formatDuration(window.toMs),
        });
  return `${measured} ${within} · ${t(`metrics.good.${direction}`)}`;
};

type MetricDialogProps = {
  readonly environment: string;
  readonly task: Task | undefined;
  readonly onClose: () => void;
};

const DAYS_7 = 7 * 86_400_000;

const MetricDialog = ({ environment, task, onClose }: MetricDialogProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const metric = task === undefined || task.kind === 'create' ? undefined : task.metric;
  const isEdit = task?.kind === 'edit';
  const [kind, setKind] = useState<MetricKind>();
  const shownKind = kind ?? metric?.kind ?? 'conversion';
  const close = (): void => {
    setKind(undefined);
    onClose();
  };
  const save = async (form: FormData): Promise<void> => {
    const fields = { ...unchangedFields(metric), ...metricOf(form, shownKind, metric) };
    const { create, update } = api.procedures.metrics;
    if (isEdit && metric !== undefined)
      await update.mutate({ environment, ...fields, key: metric.key });
    else await create.mutate({ environment, ...fields, key: keyOf(form) });
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
  };
  return (
    <FormDialog
      isOpen={task !== undefined}
      isWide
      title={
        metric === undefined
          ? t('metrics.create')
          : t(isEdit ? 'metrics.editOne' : 'metrics.copyOne', { name: metric.key })
      }
      submit={isEdit ? t('settings.save') : t('settings.create')}
      onSubmit={save}
      onClose={close}
    >
      {!isEdit && (
        <TextField
          name="key"
          label={t('settings.key')}
          hint={t('settings.keyHint')}
          value={metric && `${metric.key}-2`}
          isRequired
        />
      )}
      <TextField name="name" label={t('field.name')} value={metric?.name ?? ''} />
      <SelectField
        name="kind"
        label={t('metrics.kind')}
        value={shownKind}
        choices={METRIC_KINDS.map(each => [each, t(`metrics.kind.${each}`)])}
        onChange={value => setKind(METRIC_KINDS.find(each => each === value))}
      />
      {shownKind === 'ratio' ? (
        <div className="field-columns">
          <PartFields part="numerator" metric={metric} />
          <PartFields part="denominator" metric={metric} />
        </div>
      ) : (
        <div className="field-columns">
          <TextField
            name="event"
            label={t('metrics.event')}
            hint={t('metrics.eventHint')}
            value={metric?.event ?? ''}
            isRequired
          />
          {shownKind === 'sum' && (
            <TextField
              name="value"
              label={t('metrics.value')}
              hint={t('metrics.valueHint')}
              value={metric?.value ?? ''}
            />
          )}
          {shownKind !== 'conversion' && (
            <TextField
              name="cap"
              label={t('metrics.cap')}
              hint={t('metrics.capHint')}
              value={metric?.cap == null ? '' : String(metric.cap)}
            />
          )}
        </div>
      )}
      <WindowFields window={metric?.window ?? { fromMs: 0, toMs: DAYS_7 }} />
      <SelectField
        name="direction"
        label={t('metrics.direction')}
        value={metric?.direction}
        choices={DIRECTIONS.map(each => [each, t(`metrics.good.${each}`)])}
      />
    </FormDialog>
  );
};

const PARTS = ['count', 'sum'] as const;

type PartFieldsProps = {
  readonly part: 'numerator' | 'denominator';
  readonly metric: Metric | undefined;
};

/** One of the two sums of a ratio. */
const PartFields = ({ part, metric }: PartFieldsProps) => (
  <div className="metric-part">
    <SelectField
      name={`${part}.kind`}
      label={t(`metrics.${part}`)}
      value={metric?.[part]?.kind}
      choices={PARTS.map(kind => [kind, t(`metrics.part.${kind}`)])}
    />
    <TextField
      name={`${part}.event`}
      label={t('metrics.event')}
      value={metric?.[part]?.event ?? ''}
      isRequired
    />
  </div>
);

const WindowFields = ({ window }: { readonly window: Metric['window'] }) => (
  <div className="field-columns">
    {(['toMs', 'fromMs'] as const).map(name => {
      const { count, unit } = durationOf(window[name]);
      return (
        <div key={name} className="field-columns duration">
          <TextField
            name={`window.${name}`}
            type="number"
            label={t(`metrics.${name}`)}
            value={String(count)}
          />
          <SelectField
            name={`${name}:unit`}
            label={t('metrics.unit')}
            value={unit}
            choices={DURATION_UNITS.map(each => [each, t(`metrics.unit.${each}`)])}
          />
        </div>
      );
    })}
  </div>
);

/** The fields of a metric that no form shows. */
const unchangedFields = (metric: Metric | undefined): Partial<MetricCreate> => {
  if (metric === undefined) return {};
  const { where, covariate, tags, owner, description } = metric;
  return { where, covariate, tags, owner, description };
};

const msOf = (form: FormData, name: 'fromMs' | 'toMs'): number =>
  toMs({
    count: numberOrNull(form, `window.${name}`) ?? 0,
    unit: choiceOf(form, `${name}:unit`, DURATION_UNITS) ?? 'day',
  });

type MetricFields = Omit<MetricCreate, 'key' | 'environment'>;

/** Returns the fields of a form. Those of other kinds are removed. */
const metricOf = (form: FormData, kind: MetricKind, metric: Metric | undefined): MetricFields => ({
  name: textOrNull(form, 'name'),
  kind,
  event: textOrNull(form, 'event'),
  value: textOrNull(form, 'value'),
  cap: numberOrNull(form, 'cap'),
  numerator: kind === 'ratio' ? partOf(form, 'numerator', metric) : null,
  denominator: kind === 'ratio' ? partOf(form, 'denominator', metric) : null,
  ...(kind === 'ratio' && { where: null, covariate: null }),
  window: { fromMs: msOf(form, 'fromMs'), toMs: msOf(form, 'toMs') },
  direction: choiceOf(form, 'direction', DIRECTIONS) ?? 'increase',
});

const partOf = (
  form: FormData,
  part: 'numerator' | 'denominator',
  metric: Metric | undefined,
): NonNullable<MetricFields['numerator']> => {
  const kind = choiceOf(form, `${part}.kind`, PARTS) ?? 'count';
  const { where, value } = metric?.[part] ?? {};
  return { kind, event: textOf(form, `${part}.event`), where, ...(kind === 'sum' && { value }) };
};

type DeleteMetricProps = {
  readonly environment: string;
  readonly metric: Metric;
  readonly onClose: () => void;
};

const DeleteMetric = ({ environment, metric: { key }, onClose }: DeleteMetricProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const remove = async (comment: string): Promise<void> => {
    await api.procedures.metrics.delete.mutate({ environment, key }, { context: { comment } });
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
  };
  return (
    <DeleteFormDialog
      isOpen
      title={t('metrics.deleteOne', { name: key })}
      hint={t('metrics.deleteHint')}
      onDelete={remove}
      onClose={onClose}
    />
  );
};
