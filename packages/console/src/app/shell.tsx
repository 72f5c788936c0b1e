import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouteContext } from '@tanstack/react-router';
import { useEffect, useState, type ComponentProps } from 'react';
import { flushSync } from 'react-dom';

import { sessionOptions } from '../api/session-query.ts';
import { BrandMark, Chevron, Magnifier } from '../components/icons.tsx';
import { FirstOpening } from '../components/menu-button.tsx';
import { Later, lazyPart } from '../components/part.tsx';
import { t } from '../i18n/i18n.ts';
import { PALETTE_KEYS } from '../palette/keys.ts';
import { useShortcuts, type ShortcutDialog } from '../palette/use-shortcuts.ts';
import { LiveContext, useLive } from './live.ts';
import { useFocusInPage } from './use-focus-in-page.ts';

/** The pages of the navigation. */
const PAGES = ['flags', 'segments', 'experiments', 'compare', 'audit', 'settings'] as const;

const AccountMenu = lazyPart(async () => (await import('./account-menu.tsx')).AccountMenu);

const Palette = lazyPart(async () => (await import('../palette/palette.tsx')).Palette);

const MAIN_ID = 'main';

/** The frame of all pages of a session: the navigation, the account, and the page. */
export const Shell = () => {
  const { api, basePath, session } = useRouteContext({ from: '/signed-in' });
  const current = useQuery(sessionOptions(api));
  useLeaveWithSession(current.data === null);
  const [dialog, setDialog] = useState<ShortcutDialog>();
  useShortcuts(setDialog);
  useFocusInPage(MAIN_ID);
  const [isLeaving, setIsLeaving] = useState(false);
  const { isLive, health } = useLive(
    api,
    !isLeaving && current.data !== null && session.grants.length > 0,
  );
  const signOut = async (): Promise<void> => {
    // Streams of the page end first: without a session they would be refused.
    flushSync(() => setIsLeaving(true));
    try {
      await api.sessions.signOut();
    } catch (error) {
      setIsLeaving(false);
      throw error;
    }
    api.queries.clear();
    location.assign(`${basePath}sign-in`);
  };
  return (
    <div className="shell">
      <a className="skip" href={`#${MAIN_ID}`}>
        {t('app.skip')}
      </a>
      <header className="bar">
        <Link to="/flags" className="brand">
          <BrandMark />
          Pennon
        </Link>
        <nav aria-label={t('app.navigation')}>
          {PAGES.map(page => (
            <Link
              key={page}
              to={`/${page}`}
              className="tab"
              activeProps={{ 'aria-current': 'page' }}
            >
              {t(`${page}.title`)}
            </Link>
          ))}
        </nav>
        <button
          type="button"
          className="button quiet find"
          aria-keyshortcuts="Control+K Meta+K"
          onClick={() => setDialog('palette')}
        >
          <span className="sr-only">{t('palette.open')}</span>
          <Magnifier />
          <kbd>{PALETTE_KEYS}</kbd>
        </button>
        <Account session={session} apiUrl={`${basePath}docs`} onSignOut={signOut} />
      </header>
      <main id={MAIN_ID} className="main" tabIndex={-1}>
        <p className="connection" role="status">
          {health !== 'ready' && t(health === 'away' ? 'app.reconnecting' : 'app.withoutStore')}
        </p>
        <LiveContext value={isLive}>{!isLeaving && <Outlet />}</LiveContext>
      </main>
      <Later isNeeded={dialog !== undefined}>
        <Palette dialog={dialog} onClose={() => setDialog(undefined)} />
      </Later>
    </div>
  );
};

const Account = (props: Omit<ComponentProps<typeof AccountMenu>, 'trigger'>) => {
  const trigger = {
    className: 'button quiet account',
    children: (
      <>
        <span className="account-name">{props.session.name}</span>
        <Chevron />
      </>
    ),
  };
  return <FirstOpening trigger={trigger} menu={<AccountMenu {...props} trigger={trigger} />} />;
};

/** Opens the page to sign in when the session has ended, and returns to this page afterwards. */
const useLeaveWithSession = (hasEnded: boolean): void => {
  const navigate = useNavigate();
  useEffect(() => {
    const to = `${location.pathname}${location.search}`;
    if (hasEnded) void navigate({ to: '/sign-in', search: { to } });
  }, [hasEnded, navigate]);
};
