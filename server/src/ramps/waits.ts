import { isCompared, type Flag, type Ramp, type RampWait } from '@pennon/schema';

import { formatInstant } from '../clock.ts';
import { matureUnitsOf, type RampLook } from './look.ts';
import { isAsWritten } from './rule.ts';

/** Events that are older than this and not counted yet could show harm. */
const MAX_LAG_MS = 60_000;
const MINUTE_MS = 60_000;

/** What a ramp is, and what is known of it. `look` is undefined without guardrails. */
export type Watched = {
  readonly ramp: Ramp;
  readonly flag: Flag | undefined;
  readonly look: RampLook | undefined;
  readonly now: number;
};

/** Returns why a ramp cannot be judged now, so that it neither advances nor is rolled back. */
export const blindnessOf = ({ ramp, look, now }: Watched): RampWait[] => {
  if (look === undefined) return [];
  const { lagMs, lastExposureAt } = look.moments;
  const since = lastExposureAt ?? Date.parse(ramp.run?.startedAt ?? '');
  const { staleAfterMinutes } = ramp;
  return [
    ...(lagMs > MAX_LAG_MS
      ? [wait('lag', `Events of the last ${Math.ceil(lagMs / 1_000)} seconds are not counted yet.`)]
      : []),
    ...(now - since > staleAfterMinutes * MINUTE_MS
      ? [wait('noExposures', `There was no exposure for ${staleAfterMinutes} minutes.`)]
      : []),
  ];
};

/** Returns what prevents a ramp from deciding what its rule serves. */
export const obstaclesOf = ({ ramp, flag }: Watched): RampWait[] => {
  if (flag?.enabled === false) return [wait('flagDisabled', `Flag "${ramp.flag}" is disabled.`)];
  if (!isAsWritten(ramp, flag))
    return [wait('ruleChanged', `Rule "${ramp.rule}" was changed by another caller.`)];
  return [];
};

/** Returns when the time of the current step is over, in milliseconds since 1970. */
export const nextStepAt = ({ steps, step, stepStartedAt }: Ramp): number =>
  Date.parse(stepStartedAt ?? '') + (steps[step - 1]?.holdMinutes ?? 0) * MINUTE_MS;

/** Returns everything that the next step waits for. */
export const waitsOf = (watched: Watched): RampWait[] => {
  const { ramp, look, now } = watched;
  const endsAt = nextStepAt(ramp);
  const isUnapproved = ramp.steps[ramp.step - 1]?.approval === true && ramp.approved !== true;
  return [
    ...(ramp.state === 'paused' ? [wait('paused', ramp.reason?.text ?? 'It was paused.')] : []),
    ...obstaclesOf(watched),
    ...blindnessOf(watched),
    ...(now < endsAt ? [wait('hold', `The step lasts until ${formatInstant(endsAt)}.`)] : []),
    ...(isCompared(ramp) ? unitWaits(ramp, look) : []),
    ...(isUnapproved ? [wait('approval', 'A person must approve the end of the step.')] : []),
    ...(look?.guardrails ?? [])
      .filter(({ status }) => status === 'harming')
      .map(({ metric }) => wait('harm', `The treatment is worse in metric "${metric}".`)),
  ];
};

const unitWaits = (ramp: Ramp, look: RampLook | undefined): RampWait[] => {
  const { control, treatment } =
    look === undefined ? { control: 0, treatment: 0 } : matureUnitsOf(ramp, look);
  const { minUnits } = ramp;
  if (Math.min(control, treatment) >= minUnits) return [];
  const text = `Each variant needs ${minUnits} units whose windows are over; there are ${control} and ${treatment}.`;
  return [wait('units', text)];
};

const wait = (code: RampWait['code'], text: string): RampWait => ({ code, text });
