import type { QueryKey } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';

import { EVERYWHERE, hasRole } from '../api/sessions.ts';
import { t } from '../i18n/i18n.ts';

/** What all pages of the settings use. */
export const useSettings = () => {
  const { api, session } = useRouteContext({ from: '/signed-in' });
  /** Reads again what a write has changed. */
  const refresh = async (...keys: readonly QueryKey[]): Promise<void> => {
    await Promise.all(keys.map(queryKey => api.queries.invalidateQueries({ queryKey })));
  };
  /** Returns why the session may not manage an environment, or undefined if it may. */
  const reasonIn = (environment: string): string | undefined =>
    hasRole(session, 'admin', environment)
      ? undefined
      : t('settings.needsAdminIn', { environment });
  const reason = hasRole(session, 'admin', EVERYWHERE) ? undefined : t('settings.needsAdmin');
  return { api, session, refresh, reasonIn, reason };
};
