import { Link, Outlet } from '@tanstack/react-router';
import { useEffect } from 'react';

import { showCurrent } from '../components/show-current.ts';
import { t } from '../i18n/i18n.ts';

const PAGES = [
  'environments',
  'keys',
  'people',
  'groups',
  'invitations',
  'servers',
  'account',
] as const;

/** The frame of the pages of the settings. */
export const SettingsPage = () => {
  useEffect(() => {
    document.title = `${t('settings.title')} · Pennon`;
  }, []);
  return (
    <div className="wide-page">
      <h1>{t('settings.title')}</h1>
      <nav className="environments" ref={showCurrent} aria-label={t('settings.title')}>
        {PAGES.map(page => (
          <Link
            key={page}
            to={`/settings/${page}`}
            className="tab"
            activeProps={{ 'aria-current': 'page' }}
          >
            {t(`settings.page.${page}`)}
          </Link>
        ))}
      </nav>
      <Outlet />
    </div>
  );
};
