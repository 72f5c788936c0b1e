import type { ReactNode } from 'react';

import { formatNumber, formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { shortNumber } from './numbers.ts';

/** What is known of the harm to one metric. */
export type GuardrailEvidence = {
  readonly metric: string;
  /** The treatment, if there are several. */
  readonly variant?: string;
  readonly status: 'watching' | 'harming';
  readonly evidence: number | null;
  readonly needed: number | null;
  readonly controlUnits: number;
  readonly treatmentUnits: number;
  readonly tolerance?: number | null | undefined;
  readonly onHarm?: 'pause' | 'rollback' | 'warn' | null | undefined;
};

type GuardrailListProps = { readonly guardrails: readonly GuardrailEvidence[] };

/** For each guardrail the evidence of harm beside what is needed. */
export const GuardrailList = ({ guardrails }: GuardrailListProps) => (
  <ul className="items">
    {guardrails.map(guardrail => (
      <Guardrail key={`${guardrail.metric} ${guardrail.variant ?? ''}`} {...guardrail} />
    ))}
  </ul>
);

const Guardrail = (guardrail: GuardrailEvidence) => {
  const { metric, variant, status, evidence, needed, controlUnits, treatmentUnits } = guardrail;
  return (
    <li className="item">
      <div className="item-about">
        <strong>
          <bdi>{variant === undefined ? metric : `${metric} · ${variant}`}</bdi>
        </strong>
        <Hint>
          {t('guardrail.units', {
            treatment: formatNumber(treatmentUnits),
            control: formatNumber(controlUnits),
          })}
        </Hint>
        <Hint>{describeLimits(guardrail)}</Hint>
      </div>
      <div className="evidence">
        {needed === null ? (
          <Hint>{t('results.noEvidence')}</Hint>
        ) : (
          <>
            <EvidenceBar metric={metric} status={status} evidence={evidence} needed={needed} />
            <Hint>
              {t('results.evidence', {
                evidence: shortNumber(evidence),
                needed: shortNumber(needed),
              })}
            </Hint>
          </>
        )}
      </div>
      <span className={`badge ${status}`}>{t(`results.status.${status}`)}</span>
    </li>
  );
};

const Hint = ({ children }: { readonly children: ReactNode }) => (
  <span className="hint">{children}</span>
);

const describeLimits = ({ tolerance, onHarm }: GuardrailEvidence): string =>
  [
    t('experiments.tolerated', { share: formatPercentage(tolerance ?? 0) }),
    onHarm == null ? '' : t('guardrail.onHarm', { action: t(`experiments.onHarm.${onHarm}`) }),
  ]
    .filter(Boolean)
    .join(' · ');

const BAR_WIDTH = 200;
const BAR_HEIGHT = 8;
/** Needed evidence is here, so that more than that is visible, too. */
const NEEDED_AT = 160;

/** Returns how far evidence is on its way to what is needed. It multiplies, so the scale is logarithmic and begins at 1. */
export const progressOf = (evidence: number | null, needed: number): number =>
  evidence === null || evidence <= 1 ? 0 : Math.log(evidence) / Math.log(Math.max(needed, 2));

type EvidenceBarProps = Pick<GuardrailEvidence, 'metric' | 'status' | 'evidence'> & {
  readonly needed: number;
};

/** A bar with a mark at what is needed, which the text beside it repeats. */
const EvidenceBar = ({ metric, status, evidence, needed }: EvidenceBarProps) => {
  const width = Math.min(progressOf(evidence, needed) * NEEDED_AT, BAR_WIDTH);
  return (
    <svg
      className={`evidence-bar ${status}`}
      viewBox={`0 0 ${BAR_WIDTH} 16`}
      preserveAspectRatio="xMinYMid"
      role="img"
      aria-label={t('results.guardrail', { metric })}
    >
      <rect className="track" y="4" width={BAR_WIDTH} height={BAR_HEIGHT} rx="4" />
      {width > 0 && <rect y="4" width={Math.max(width, 4)} height={BAR_HEIGHT} rx="4" />}
      <path d={`M${NEEDED_AT} 0V16`} />
    </svg>
  );
};
