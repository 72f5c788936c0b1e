import { t } from '../i18n/i18n.ts';
import type { Step, Trace } from './explanation.ts';

const MARKS: Readonly<Record<Step['outcome'], string>> = { held: '✓', failed: '✗', skipped: '–' };

/** How a result came about: its rules, and their conditions inside them. */
export const TraceTree = ({ trace: { why, steps, leftOut } }: { readonly trace: Trace }) => (
  <div className="trace">
    <p lang="en">
      <bdi>{why}</bdi>
    </p>
    <StepList steps={steps} />
    {leftOut > 0 && <p className="hint">{t('trace.leftOut', { count: leftOut })}</p>}
  </div>
);

const StepList = ({ steps }: { readonly steps: readonly Step[] }) =>
  steps.length === 0 ? null : (
    <ul className="steps">
      {steps.map((step, index) => (
        // A step has no id, and its place identifies it.
        <li key={index} className={`step ${step.outcome}`}>
          <StepTitle step={step} />
          {step.outcome !== 'skipped' && step.why !== '' && (
            <p className="hint" lang="en">
              <bdi>{step.why}</bdi>
            </p>
          )}
          <StepList steps={step.steps} />
        </li>
      ))}
    </ul>
  );

const StepTitle = ({ step: { title, outcome } }: { readonly step: Step }) => (
  <p>
    <span className="mark-of-step" aria-hidden="true">
      {MARKS[outcome]}
    </span>{' '}
    <bdi>{title}</bdi> <span className="sr-only">{t(`trace.${outcome}`)}</span>
  </p>
);
