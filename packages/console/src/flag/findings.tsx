import { t } from '../i18n/i18n.ts';
import type { Finding } from './use-check.ts';

type FindingsProps = {
  readonly problems?: readonly Finding[];
  readonly warnings?: readonly Finding[];
};

/** What the server finds at one part of a draft. */
export const Findings = ({ problems = [], warnings = [] }: FindingsProps) =>
  problems.length + warnings.length === 0 ? null : (
    <ul className="findings">
      {problems.map(({ path, message }) => (
        <li key={`${path} ${message}`} className="error">
          <bdi>{message}</bdi>
        </li>
      ))}
      {warnings.map(({ path, message }) => (
        <li key={`${path} ${message}`} className="warning">
          <strong>{t('flag.warning')}</strong> <bdi>{message}</bdi>
        </li>
      ))}
    </ul>
  );
