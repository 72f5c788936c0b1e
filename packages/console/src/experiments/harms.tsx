import { formatPercentage } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { Section } from '../components/section.tsx';
import type { ExperimentResponse } from './experiments.ts';
import { shortNumber } from './numbers.ts';

type HarmsProps = {
  readonly harms: ExperimentResponse['harms'];
  readonly control: string;
};

/** Which treatments are worse in which guardrails, and what the server has done about it. */
export const Harms = ({ harms = [], control }: HarmsProps) =>
  harms.length > 0 && (
    <Section title={t('harm.title')}>
      {harms.map(({ variant, evidence, done, notReplaced, at, revision }) => (
        <div key={`${variant} ${evidence.metric}`} className="reason harm">
          <p>
            <strong>{t('harm.worse', { variant, control, metric: evidence.metric })}</strong>{' '}
            {t(`harm.done.${done}`)} {notReplaced === true && t('harm.notReplaced')}
          </p>
          <p className="hint">
            {[
              t('ramps.decidedAt', { time: formatTime(at), revision }),
              t('experiments.tolerated', { share: formatPercentage(evidence.tolerance) }),
              t('results.evidence', {
                evidence: shortNumber(evidence.evidence),
                needed: shortNumber(evidence.needed),
              }),
            ].join(' · ')}
          </p>
        </div>
      ))}
    </Section>
  );
