import { formatDuration } from '../experiments/durations.ts';
import { t } from '../i18n/i18n.ts';
import { shareAt, type Ramp } from './ramps.ts';

type Mark = 'done' | 'current' | 'next' | 'stopped' | 'skipped';

/** Returns how far a ramp is at one of its steps, from 1. The last one, after all others, is that all get the treatment. */
const markOf = ({ state, step }: Ramp, each: number): Mark => {
  if (state === 'draft') return 'next';
  if (state === 'completed' || each < step) return 'done';
  if (state === 'rolledBack') return each === step ? 'stopped' : 'skipped';
  return each === step ? 'current' : 'next';
};

const MINUTE_MS = 60_000;

/** The steps of a ramp in a line, with the current one. */
export const StepLine = ({ ramp }: { readonly ramp: Ramp }) => (
  <ol className="step-line" aria-label={t('ramps.steps')}>
    {ramp.steps.map(({ holdMinutes, approval }, index) => (
      <Step
        key={index}
        ramp={ramp}
        number={index + 1}
        about={[
          formatDuration(holdMinutes * MINUTE_MS),
          approval === true ? t('ramps.needsApproval') : '',
        ]}
      />
    ))}
    <Step ramp={ramp} number={ramp.steps.length + 1} about={[t('ramps.all')]} />
  </ol>
);

type StepProps = {
  readonly ramp: Ramp;
  readonly number: number;
  readonly about: readonly string[];
};

const Step = ({ ramp, number, about }: StepProps) => {
  const mark = markOf(ramp, number);
  const isPaused = mark === 'current' && ramp.state === 'paused';
  return (
    <li
      className={`line-step ${isPaused ? 'paused' : mark}`}
      aria-current={mark === 'current' ? 'step' : undefined}
    >
      <StepMark mark={mark} />
      <strong>{shareAt(ramp, number)}</strong>
      <span className="step-mark-text">{t(`ramps.mark.${isPaused ? 'paused' : mark}`)}</span>
      {about.filter(Boolean).map(text => (
        <span key={text} className="hint">
          {text}
        </span>
      ))}
    </li>
  );
};

/** Marks differ in their form, too. */
const StepMark = ({ mark }: { readonly mark: Mark }) => (
  <svg className="step-mark" viewBox="0 0 20 20" aria-hidden="true">
    <circle cx="10" cy="10" r="8" />
    {mark === 'done' && <path d="M6 10l3 3 5-6" />}
    {mark === 'stopped' && <path d="M7 7l6 6M13 7l-6 6" />}
    {mark === 'current' && <circle className="dot" cx="10" cy="10" r="4" />}
  </svg>
);
