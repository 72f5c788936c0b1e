import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { hasRole } from '../api/sessions.ts';
import { SelectField, TextField } from '../components/field.tsx';
import { DeleteFormDialog } from '../components/delete-form-dialog.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { ActionButton, Loaded, Section } from '../components/section.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { mainEnvironment } from '../flags/overview.ts';
import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { ExperimentDialog } from './experiment-dialog.tsx';
import { StateBadge } from './experiment-state.tsx';
import {
  EXPERIMENTS_KEY,
  experimentOptions,
  resultsOptions,
  type ExperimentMetric,
  type ExperimentResponse,
  type ExperimentState,
} from './experiments.ts';
import { Fact } from './fact.tsx';
import { Harms } from './harms.tsx';
import { recommendationText, warningText } from './recommendation.ts';
import { ResultsSections } from './results.tsx';
import { UnseenEvents, type Warnings } from './unseen-events.tsx';
import { UnitSection } from './unit-section.tsx';

const FROM = '/signed-in/experiments/key/$key';

/** One experiment: its results, what it compares, and the start and the end of its runs. */
export const ExperimentPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { key } = useParams({ from: FROM });
  const { env } = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${key} · ${t('experiments.title')} · Pennon`;
  }, [key]);
  return (
    <div className="wide-page">
      <Loaded query={overview}>
        {({ environments }) => {
          const environment = env ?? mainEnvironment(environments)?.key;
          if (environment === undefined) return <p>{t('environments.none')}</p>;
          return (
            <LoadedExperiment key={`${environment} ${key}`} environment={environment} name={key} />
          );
        }}
      </Loaded>
    </div>
  );
};

type LoadedExperimentProps = { readonly environment: string; readonly name: string };

const LoadedExperiment = ({ environment, name }: LoadedExperimentProps) => {
  const { api } = useRouteContext({ from: FROM });
  const experiment = useQuery(experimentOptions(api, environment, name));
  return (
    <>
      <header className="section">
        <Link to="/experiments" search={{ env: environment }}>
          {t('experiments.in', { environment })}
        </Link>
        <div className="section-header">
          <h1>
            <bdi>{name}</bdi>
          </h1>
          {experiment.data !== undefined && <StateBadge state={experiment.data.state} />}
        </div>
      </header>
      <Loaded query={experiment}>
        {response => (
          <>
            {response.hypothesis != null && (
              <p className="hypothesis">
                <bdi>{response.hypothesis}</bdi>
              </p>
            )}
            <Actions environment={environment} experiment={response} />
            <Harms harms={response.harms} control={response.control} />
            {response.run !== undefined && (
              <ResultsSections
                environment={environment}
                experiment={name}
                hasEvents={response.source === 'events'}
              />
            )}
            {response.run !== undefined && response.source === 'events' && (
              <UnitSection
                environment={environment}
                experiment={name}
                attribute={response.run.unit}
              />
            )}
            <Design environment={environment} experiment={response} />
          </>
        )}
      </Loaded>
    </>
  );
};

type ExperimentProps = {
  readonly environment: string;
  readonly experiment: ExperimentResponse;
};

type Action = 'start' | 'stop' | 'restart' | 'decide' | 'edit' | 'delete';

/** What can be done with an experiment in each state. */
const ACTIONS: Readonly<Record<ExperimentState, readonly Action[]>> = {
  draft: ['start', 'edit', 'delete'],
  running: ['decide', 'stop'],
  settling: ['decide', 'stop'],
  stopped: ['decide', 'restart', 'edit', 'delete'],
  ended: ['decide', 'restart', 'edit', 'delete'],
};

const Actions = ({ environment, experiment }: ExperimentProps) => {
  const { api, session } = useRouteContext({ from: FROM });
  const [action, setAction] = useState<Action>();
  const [warnings, setWarnings] = useState<Warnings>();
  const close = (): void => setAction(undefined);
  const reason = hasRole(session, 'editor', environment)
    ? undefined
    : t('cell.needsEditor', { environment });
  const isDecided = experiment.decision !== undefined;
  return (
    <div className="item-actions">
      {ACTIONS[experiment.state]
        .filter(each => !(each === 'decide' && isDecided))
        .map(each => (
          <ActionButton key={each} reason={reason} onClick={() => setAction(each)}>
            {t(`experiments.action.${each}`)}
          </ActionButton>
        ))}
      <RunDialog
        environment={environment}
        experiment={experiment}
        action={action}
        onClose={close}
        onDone={setWarnings}
      />
      <UnseenEvents warnings={warnings} metrics={experiment.metrics} />
      <DecideDialog
        environment={environment}
        experiment={experiment}
        isOpen={action === 'decide'}
        onClose={close}
      />
      <DeleteDialog
        environment={environment}
        experiment={experiment}
        isOpen={action === 'delete'}
        onClose={close}
      />
      <ExperimentDialog
        environment={environment}
        experiment={experiment}
        isOpen={action === 'edit'}
        onClose={close}
        onSaved={() => void api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY })}
      />
    </div>
  );
};

const RUN_ACTIONS = ['start', 'stop', 'restart'] as const;

type RunDialogProps = ExperimentProps & {
  readonly action: Action | undefined;
  readonly onClose: () => void;
  readonly onDone: (warnings: Warnings) => void;
};

/** Starts or ends a run. */
const RunDialog = ({ environment, experiment, action, onClose, onDone }: RunDialogProps) => {
  const { key, etag } = experiment;
  const { api } = useRouteContext({ from: FROM });
  const step = RUN_ACTIONS.find(each => each === action);
  const run = async (form: FormData): Promise<void> => {
    if (step === undefined) return;
    const { warnings } = await api.procedures.experiments[step].mutate(
      { environment, key, ifMatch: etag },
      { context: { comment: textOf(form, 'comment') } },
    );
    onDone(warnings);
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
  };
  return (
    <FormDialog
      isOpen={step !== undefined}
      title={t(`experiments.confirm.${step ?? 'start'}`, { name: key })}
      hint={t(`experiments.effect.${step ?? 'start'}`)}
      submit={t(`experiments.action.${step ?? 'start'}`)}
      isDangerous={step === 'stop'}
      onSubmit={run}
      onClose={onClose}
    >
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};

type DialogProps = ExperimentProps & {
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

/** In place of the name of a variant, which may be any text. */
const REMOVE_RULE = '';

/** Ends the run, and makes the rule serve one variant. */
const DecideDialog = ({ environment, experiment, isOpen, onClose }: DialogProps) => {
  const { api } = useRouteContext({ from: FROM });
  const { key, etag, run } = experiment;
  const [served, setServed] = useState(run?.variants[0]?.variant ?? REMOVE_RULE);
  const [comment, setComment] = useState('');
  const decide = async (form: FormData): Promise<void> => {
    const variant = form.get('variant');
    const choice =
      typeof variant === 'string' && variant !== REMOVE_RULE ? { variant } : { removeRule: true };
    await api.procedures.experiments.decide.mutate(
      { environment, key, ifMatch: etag, ...choice },
      { context: { comment: textOf(form, 'comment') } },
    );
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
    await api.queries.invalidateQueries({ queryKey: ['flags'] });
  };
  return (
    <FormDialog
      isOpen={isOpen}
      title={t('experiments.confirm.decide', { name: key })}
      hint={t('experiments.effect.decide', { rule: experiment.rule, flag: experiment.flag })}
      submit={t('experiments.action.decide')}
      onSubmit={decide}
      onClose={onClose}
    >
      <SelectField
        name="variant"
        label={t('experiments.serve')}
        value={served}
        onChange={setServed}
        choices={[
          ...(run?.variants ?? []).map(({ variant }) => [variant, variant] as const),
          [REMOVE_RULE, t('experiments.removeRule')],
        ]}
      />
      <TextField
        name="comment"
        label={t('review.comment')}
        hint={t('experiments.commentHint')}
        rows={2}
        onChange={setComment}
      />
      <AuditPreview
        environment={environment}
        experiment={experiment}
        served={served}
        comment={comment}
      />
    </FormDialog>
  );
};

type AuditPreviewProps = ExperimentProps & { readonly served: string; readonly comment: string };

/** What the audit log will have of a decision, and what to know about its results. */
const AuditPreview = ({ environment, experiment, served, comment }: AuditPreviewProps) => {
  const { api } = useRouteContext({ from: FROM });
  const { data: results } = useQuery(resultsOptions(api, environment, experiment.key));
  const { key, flag, rule } = experiment;
  const target = { name: key, flag, rule, variant: served };
  return (
    <section className="audit-preview" aria-label={t('experiments.audit')}>
      <strong>{t('experiments.audit')}</strong>
      <p>
        <bdi>
          {served === REMOVE_RULE
            ? t('experiments.auditRemove', target)
            : t('experiments.auditServe', target)}
        </bdi>
      </p>
      {comment.trim() !== '' && (
        <p>
          <bdi>“{comment.trim()}”</bdi>
        </p>
      )}
      <p className="hint">
        {results === undefined
          ? t('experiments.auditNoResults')
          : t('experiments.auditResults', { id: results.id, time: formatTime(results.asOf) })}
      </p>
      {results !== undefined && <p>{recommendationText(results)}</p>}
      {results?.warnings
        .filter(({ code }) => code === 'early')
        .map(warning => (
          <p key={warning.code} className="warning">
            {warningText(results, warning)}
          </p>
        ))}
    </section>
  );
};

const DeleteDialog = ({ environment, experiment, isOpen, onClose }: DialogProps) => {
  const { api } = useRouteContext({ from: FROM });
  const navigate = useNavigate();
  const { key, etag } = experiment;
  const remove = async (comment: string): Promise<void> => {
    await api.procedures.experiments.delete.mutate(
      { environment, key, ifMatch: etag },
      { context: { comment } },
    );
    await navigate({ to: '/experiments', search: { env: environment } });
    api.queries.removeQueries({ queryKey: experimentOptions(api, environment, key).queryKey });
    await api.queries.invalidateQueries({ queryKey: EXPERIMENTS_KEY });
  };
  return (
    <DeleteFormDialog
      isOpen={isOpen}
      title={t('settings.deleteOne', { name: key })}
      hint={t('experiments.deleteHint')}
      onDelete={remove}
      onClose={onClose}
    />
  );
};

/** What is compared, and how. A run fixes it. */
const Design = ({ environment, experiment }: ExperimentProps) => {
  const { flag, rule, control, metrics, analysis, plan, run, decision, owner } = experiment;
  return (
    <Section title={t('experiments.design')}>
      <dl className="facts">
        <Fact name={t('experiments.flag')}>
          <Link to="/flags/$key" params={{ key: flag }} search={{ env: environment }}>
            <bdi>{flag}</bdi>
          </Link>
        </Fact>
        <Fact name={t('experiments.rule')}>{rule}</Fact>
        <Fact name={t('experiments.control')}>{control}</Fact>
        {run !== undefined && <Fact name={t('experiments.unit')}>{run.unit}</Fact>}
        <Fact name={t('experiments.method')}>
          {t(`experiments.method.${analysis.method}`)} ·{' '}
          {t('experiments.alpha', { alpha: formatPercentage(analysis.alpha) })}
        </Fact>
        {plan != null && (
          <Fact name={t('experiments.plan')}>
            {t('experiments.planned', {
              units: formatNumber(plan.units),
              time: formatTime(plan.end),
            })}
          </Fact>
        )}
        {run !== undefined && (
          <Fact name={t('experiments.started')}>{formatTime(run.startedAt)}</Fact>
        )}
        {run?.endedAt !== undefined && (
          <Fact name={t('experiments.ended')}>{formatTime(run.endedAt)}</Fact>
        )}
        {decision !== undefined && (
          <Fact name={t('experiments.decision')}>
            {decision.variant === null
              ? t('experiments.removed')
              : t('experiments.decided', { variant: decision.variant })}{' '}
            · {formatTime(decision.at)}
          </Fact>
        )}
        {owner != null && <Fact name={t('field.owner')}>{owner}</Fact>}
        {metrics.map(metric => (
          <Fact key={metric.metric} name={t(`experiments.role.${metric.role}`)}>
            {metric.metric}
            {describeThreshold(metric)}
          </Fact>
        ))}
      </dl>
    </Section>
  );
};

const describeThreshold = ({
  role,
  minimumEffect,
  tolerance,
  onHarm,
}: ExperimentMetric): string => {
  if (role === 'guardrail')
    return ` · ${t('experiments.tolerated', { share: formatPercentage(tolerance ?? 0) })} · ${t(`experiments.onHarm.${onHarm ?? 'warn'}`)}`;
  return minimumEffect == null
    ? ''
    : ` · ${t('experiments.matters', { share: formatPercentage(minimumEffect) })}`;
};
