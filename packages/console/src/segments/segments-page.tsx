import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { hasRole } from '../api/sessions.ts';
import { EnvironmentTabs } from '../components/environment-tabs.tsx';
import { TextField } from '../components/field.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { keyOf, linesOf, textOf, textOrNull } from '../components/form-values.ts';
import { ActionButton, ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { describeCondition } from '../flag/sentence.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { shownEnvironment, type Environment } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { createSegment, segmentListOptions } from './segment.ts';

const FROM = '/signed-in/segments';
const EXACT = { exact: true };

/** The segments of one environment. */
export const SegmentsPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { env } = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${t('segments.title')} · Pennon`;
  }, []);
  return (
    <div className="wide-page">
      <h1>{t('segments.title')}</h1>
      <Loaded query={overview}>
        {({ environments }) => {
          const environment = shownEnvironment(environments, env);
          if (environment === undefined) return <p>{t('environments.none')}</p>;
          return <Segments environments={environments} environment={environment} />;
        }}
      </Loaded>
    </div>
  );
};

type SegmentsProps = {
  readonly environments: readonly Environment[];
  readonly environment: Environment;
};

const Segments = ({ environments, environment: { key: environment } }: SegmentsProps) => {
  const { api, session } = useRouteContext({ from: FROM });
  const segments = useQuery(segmentListOptions(api, environment));
  const [isCreating, setIsCreating] = useState(false);
  const reason = hasRole(session, 'editor', environment)
    ? undefined
    : t('cell.needsEditor', { environment });
  return (
    <>
      <EnvironmentTabs environments={environments}>
        {({ key }, name) => (
          <Link
            key={key}
            to="/segments"
            search={{ env: key }}
            className="tab"
            activeOptions={EXACT}
            aria-current={key === environment ? 'page' : undefined}
          >
            {name}
          </Link>
        )}
      </EnvironmentTabs>
      <Section
        title={t('segments.in', { environment })}
        hint={t('segments.hint')}
        action={
          <ActionButton reason={reason} onClick={() => setIsCreating(true)}>
            {t('segments.create')}
          </ActionButton>
        }
      >
        <Loaded query={segments}>
          {all => (
            <ItemList items={all} empty={t('segments.none')}>
              {({ key, name, conditions }) => (
                <ListItem
                  key={key}
                  title={
                    <Link
                      to="/segments/$key"
                      params={{ key }}
                      search={{ env: environment }}
                      className="flag-key"
                    >
                      <bdi>{key}</bdi>
                    </Link>
                  }
                  about={[name, conditions.map(describeCondition).join(t('sentence.and'))]}
                />
              )}
            </ItemList>
          )}
        </Loaded>
      </Section>
      <CreateSegment
        environment={environment}
        isOpen={isCreating}
        onClose={() => setIsCreating(false)}
      />
    </>
  );
};

type CreateSegmentProps = {
  readonly environment: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

const CreateSegment = ({ environment, isOpen, onClose }: CreateSegmentProps) => {
  const { api } = useRouteContext({ from: FROM });
  const navigate = useNavigate();
  const create = async (form: FormData): Promise<void> => {
    const key = keyOf(form);
    const condition = {
      attribute: textOf(form, 'conditions.0.attribute'),
      operator: 'in',
      value: linesOf(form, 'conditions.0.value'),
    } as const;
    const name = textOrNull(form, 'name');
    await createSegment(api, { environment, key, name, conditions: [condition] });
    await navigate({ to: '/segments/$key', params: { key }, search: { env: environment } });
  };
  return (
    <FormDialog
      isOpen={isOpen}
      title={t('segments.create')}
      submit={t('settings.create')}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField name="key" label={t('settings.key')} hint={t('settings.keyHint')} isRequired />
      <TextField name="name" label={t('field.name')} />
      <TextField
        name="conditions.0.attribute"
        label={t('condition.attribute')}
        value="targetingKey"
        isRequired
      />
      <TextField
        name="conditions.0.value"
        label={t('segments.values')}
        hint={t('segments.valuesHint')}
        rows={4}
      />
    </FormDialog>
  );
};
