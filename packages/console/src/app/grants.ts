import { EVERYWHERE, type Grant } from '../api/sessions.ts';
import { t } from '../i18n/i18n.ts';

/** Returns a role and the environments in which it holds. */
export const describeRole = ({ role, environment }: Grant): string =>
  environment === EVERYWHERE
    ? t('account.everywhere', { role })
    : t('account.role', { role, environment });

/** Returns all roles of a person, in words. */
export const describeGrants = (grants: readonly Grant[]): string =>
  grants.length === 0 ? t('account.noRole') : grants.map(describeRole).join(', ');
