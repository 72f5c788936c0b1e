import { useMutation } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';
import type { FormEvent } from 'react';

import { hasRole } from '../api/sessions.ts';
import { describeError } from '../app/pages.tsx';
import { TextField } from '../components/field.tsx';
import { textOf } from '../components/form-values.ts';
import { Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import type { UnitInRun } from './experiments.ts';
import { Fact } from './fact.tsx';
import { shortNumber } from './numbers.ts';

type UnitSectionProps = {
  readonly environment: string;
  readonly experiment: string;
  /** The attribute that is randomised. */
  readonly attribute: string;
};

/** Looks up one unit by its value. Units are never listed, and no address has one. */
export const UnitSection = ({ environment, experiment, attribute }: UnitSectionProps) => {
  const { api, session } = useRouteContext({ from: '/signed-in' });
  const reason = hasRole(session, 'admin', environment)
    ? undefined
    : t('settings.needsAdminIn', { environment });
  const lookup = useMutation({
    mutationFn: (unit: string) =>
      api.procedures.experiments.unit.mutate({ environment, key: experiment, unit }),
    // What is known of a person is not kept.
    gcTime: 0,
  });
  const send = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (reason === undefined) lookup.mutate(textOf(new FormData(event.currentTarget), 'unit'));
  };
  return (
    <Section title={t('unit.title')} hint={t('unit.hint')}>
      <form className="unit-form" onSubmit={send} noValidate>
        <TextField name="unit" label={t('unit.value', { attribute })} />
        <button
          type="submit"
          className="button"
          aria-disabled={reason !== undefined}
          title={reason}
        >
          {t('unit.find')}
        </button>
      </form>
      <p className="error" role="alert">
        {lookup.isError && describeError(lookup.error)}
      </p>
      <div role="status" className="unit-result">
        {lookup.data !== undefined && <Found unit={lookup.data} />}
      </div>
    </Section>
  );
};

const Found = ({ unit: { assigned, exposure, metrics } }: { readonly unit: UnitInRun }) => (
  <>
    <dl className="facts">
      <Fact name={t('unit.assigned')}>{assigned ?? t('unit.notAssigned')}</Fact>
      <Fact name={t('unit.variant')}>{exposure?.variant ?? t('unit.notExposed')}</Fact>
      {exposure !== null && <Fact name={t('unit.firstAt')}>{formatTime(exposure.firstAt)}</Fact>}
    </dl>
    {exposure?.quarantined === true && <p className="warning">{t('unit.quarantined')}</p>}
    {exposure?.settled === true && <p className="hint">{t('unit.settled')}</p>}
    {exposure?.quarantined === false && metrics.length > 0 && <Values metrics={metrics} />}
  </>
);

const Values = ({ metrics }: Pick<UnitInRun, 'metrics'>) => (
  <div className="table-scroller" tabIndex={0} role="region" aria-label={t('unit.values')}>
    <table className="results">
      <thead>
        <tr>
          <th scope="col">{t('results.metric')}</th>
          <th scope="col">{t('unit.counts')}</th>
          <th scope="col">{t('unit.countsFrom')}</th>
        </tr>
      </thead>
      <tbody>
        {metrics.map(({ metric, value, denominator, countsFrom }) => (
          <tr key={metric}>
            <th scope="row">
              <bdi>{metric}</bdi>
            </th>
            <td>
              {shortNumber(value)}
              {denominator !== null && ` / ${shortNumber(denominator)}`}
            </td>
            <td>{formatTime(countsFrom)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
