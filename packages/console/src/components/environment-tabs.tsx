import type { ReactNode } from 'react';

import { EnvironmentName } from '../flags/environment-name.tsx';
import type { Environment } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { showCurrent } from './show-current.ts';

type EnvironmentTabsProps = {
  readonly environments: readonly Environment[];
  /** Returns the link of an environment around its name. */
  readonly children: (environment: Environment, name: ReactNode) => ReactNode;
};

/** Links to the same page in each environment. */
export const EnvironmentTabs = ({ environments, children }: EnvironmentTabsProps) => (
  <nav className="environments" ref={showCurrent} aria-label={t('flags.environment')}>
    {environments.map(environment =>
      children(environment, <EnvironmentName environment={environment} />),
    )}
  </nav>
);
