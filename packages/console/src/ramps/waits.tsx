import type { ReactNode } from 'react';

import { formatNumber, formatTexts } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { holdEndOf, type Ramp, type RampStatus } from './ramps.ts';
import { formatTimeLeft } from './time-left.ts';

type WaitCode = RampStatus['waiting'][number]['code'];

/** Returns what the next step waits for, in a few words. */
export const waitNames = ({ waiting }: RampStatus): string =>
  waiting.length === 0
    ? ''
    : t('ramps.waitsFor', {
        names: formatTexts(waiting.map(({ code }) => t(`ramps.waitName.${code}`))),
      });

type WaitsProps = {
  readonly ramp: Ramp;
  readonly status: RampStatus;
  readonly now: number;
};

/** Everything that the next step waits for, each in a sentence. */
export const Waits = ({ ramp, status, now }: WaitsProps) => (
  <ul className="waits">
    {status.waiting.map(({ code }) => (
      <li key={code} className={isAlarm(code) ? 'alarm' : undefined}>
        <strong>{t(`ramps.waitName.${code}`)}</strong>
        <span>{describeWait(code, ramp, status, now)}</span>
        <WaitProgress code={code} ramp={ramp} status={status} now={now} />
      </li>
    ))}
  </ul>
);

/** Whether a person should do something about it. */
const isAlarm = (code: WaitCode): boolean => code === 'harm' || code === 'ruleChanged';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

const describeWait = (code: WaitCode, ramp: Ramp, status: RampStatus, now: number): string => {
  const { compared } = status;
  const units = compared?.matureUnits ?? { control: 0, treatment: 0 };
  const harming = (compared?.guardrails ?? []).filter(each => each.status === 'harming');
  switch (code) {
    case 'hold':
      return t('ramps.wait.hold', { time: formatTimeLeft((holdEndOf(ramp) ?? now) - now) });
    case 'units':
      return t('ramps.wait.units', {
        needed: formatNumber(ramp.minUnits),
        treatment: formatNumber(units.treatment),
        control: formatNumber(units.control),
      });
    case 'lag':
      return t('ramps.wait.lag', { seconds: formatNumber(compared?.lagSeconds ?? 0) });
    case 'noExposures':
      return t('ramps.wait.noExposures', {
        time: formatTimeLeft(ramp.staleAfterMinutes * MINUTE_MS),
      });
    case 'harm':
      return t('ramps.wait.harm', { metrics: formatTexts(harming.map(({ metric }) => metric)) });
    case 'flagDisabled':
      return t('ramps.wait.flagDisabled', { flag: ramp.flag });
    case 'ruleChanged':
      return t('ramps.wait.ruleChanged', { rule: ramp.rule });
    case 'paused':
    case 'approval':
      return t(`ramps.wait.${code}`);
  }
};

type WaitProgressProps = WaitsProps & { readonly code: WaitCode };

/** How much of the time, or of the units, is there. */
const WaitProgress = ({ code, ramp, status, now }: WaitProgressProps): ReactNode => {
  const label = t(`ramps.waitName.${code}`);
  if (code === 'units') {
    const { control, treatment } = status.compared?.matureUnits ?? { control: 0, treatment: 0 };
    return <progress aria-label={label} max={ramp.minUnits} value={Math.min(control, treatment)} />;
  }
  const start = Date.parse(ramp.stepStartedAt ?? '');
  const end = holdEndOf(ramp);
  if (code !== 'hold' || end === undefined) return null;
  // Whole seconds, so that a screen reader is not given more.
  const passed = Math.floor(Math.max(0, now - start) / SECOND_MS);
  return <progress aria-label={label} max={(end - start) / SECOND_MS} value={passed} />;
};
