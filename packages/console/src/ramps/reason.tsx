import { shortNumber } from '../experiments/numbers.ts';
import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import type { Ramp, RampReason } from './ramps.ts';

type ReasonProps = { readonly reason: RampReason; readonly ramp: Ramp };

/** Why a ramp was paused, rolled back or warned about, with everything that it was decided on. */
export const Reason = ({ reason, ramp }: ReasonProps) => {
  const { code, at, revision, evidence } = reason;
  return (
    <div className={`reason ${code}`}>
      <p>
        <strong>{t(`ramps.reason.${code}`)}</strong> <bdi>{describeReason(reason, ramp)}</bdi>
      </p>
      <p className="hint">{t('ramps.decidedAt', { time: formatTime(at), revision })}</p>
      {evidence !== undefined && (
        <details>
          <summary>{t('ramps.evidence')}</summary>
          <Evidence evidence={evidence} />
        </details>
      )}
    </div>
  );
};

/** Returns more than the code, if there is more. Ramps of earlier versions have only the text of the server for it. */
const describeReason = ({ text, evidence, notReplaced }: RampReason, ramp: Ramp): string =>
  [
    evidence === undefined ? '' : (describeFinding(evidence, ramp) ?? text),
    notReplaced === true ? t('harm.notReplaced') : '',
  ]
    .filter(Boolean)
    .join(' ');

const describeFinding = (evidence: Evidence, { treatment, control }: Ramp): string | undefined => {
  if (evidence.kind === 'harm')
    return t('harm.worse', { variant: treatment, control: control ?? '', metric: evidence.metric });
  return evidence.cause && t(`ramps.cause.${evidence.cause}`);
};

type Evidence = NonNullable<RampReason['evidence']>;

const Evidence = ({ evidence }: { readonly evidence: Evidence }) => (
  <>
    <ul className="evidence-facts">
      {describeEvidence(evidence).map(text => (
        <li key={text}>{text}</li>
      ))}
    </ul>
    <EvidenceTable rows={rowsOf(evidence)} />
  </>
);

const describeEvidence = (evidence: Evidence): readonly string[] =>
  evidence.kind === 'harm'
    ? [
        t('ramps.evidenceOf', { metric: evidence.metric }),
        t('results.evidence', {
          evidence: shortNumber(evidence.evidence),
          needed: shortNumber(evidence.needed),
        }),
        t('experiments.tolerated', { share: formatPercentage(evidence.tolerance) }),
        t('experiments.alpha', { alpha: formatPercentage(evidence.alpha, 3) }),
        t(`metrics.good.${evidence.direction}`),
      ]
    : [
        t('ramps.mismatched', {
          mismatched: formatNumber(evidence.mismatched),
          exposures: formatNumber(evidence.exposures),
        }),
        t('ramps.quarantined', { count: formatNumber(evidence.quarantined) }),
        ...(evidence.logEvidence === null
          ? []
          : [t('ramps.logEvidence', { evidence: shortNumber(evidence.logEvidence) })]),
      ];

type Row = {
  readonly name: string;
  readonly treatment: number | undefined;
  readonly control: number | undefined;
};

/** Returns the counts and sums of both variants. */
const rowsOf = (evidence: Evidence): readonly Row[] => {
  if (evidence.kind === 'mismatch') return [{ name: t('results.units'), ...evidence.units }];
  const { treatment, control } = evidence.mature;
  const names = [...new Set([...Object.keys(treatment), ...Object.keys(control)])];
  return [
    ...names.map(name => ({ name, treatment: treatment[name], control: control[name] })),
    ...(evidence.soFar === null ? [] : [{ name: t('ramps.soFar'), ...evidence.soFar }]),
  ];
};

const EvidenceTable = ({ rows }: { readonly rows: readonly Row[] }) => (
  <div className="table-scroller" tabIndex={0} role="region" aria-label={t('ramps.evidence')}>
    <table className="results">
      <thead>
        <tr>
          <th scope="col">{t('ramps.sum')}</th>
          <th scope="col">{t('results.treatment')}</th>
          <th scope="col">{t('results.control')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, treatment, control }) => (
          <tr key={name}>
            <th scope="row">
              <bdi>{name}</bdi>
            </th>
            <td>{shortNumber(treatment ?? null)}</td>
            <td>{shortNumber(control ?? null)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
