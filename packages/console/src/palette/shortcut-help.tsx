import { Link } from '@tanstack/react-router';
import { useRef } from 'react';

import { DialogFrame } from '../components/dialog-frame.tsx';
import { t } from '../i18n/i18n.ts';
import { PALETTE_KEYS } from './keys.ts';

type ShortcutHelpProps = { readonly isOpen: boolean; readonly onClose: () => void };

const shortcuts = (): readonly (readonly [keys: string, what: string])[] => [
  [PALETTE_KEYS, t('palette.open')],
  ['/', t('search.label')],
  ['n', t('newFlag.title')],
  ['g f', t('flags.title')],
  ['g s', t('segments.title')],
  ['g x', t('experiments.title')],
  ['g r', t('ramps.title')],
  ['g c', t('compare.title')],
  ['g t', t('flag.tab.try')],
  ['g a', t('audit.title')],
  ['g e', t('settings.page.environments')],
  ['?', t('shortcuts.title')],
];

/** All shortcuts, and the place that turns single letters off. */
export const ShortcutHelp = ({ isOpen, onClose }: ShortcutHelpProps) => {
  const close = useRef<HTMLButtonElement>(null);
  return (
    <DialogFrame
      isOpen={isOpen}
      title={t('shortcuts.title')}
      initialFocus={close}
      onClose={onClose}
    >
      <dl className="shortcuts">
        {shortcuts().map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Link to="/settings/account" onClick={onClose}>
        {t('shortcuts.off')}
      </Link>
      <div className="actions">
        <button ref={close} type="button" className="button" onClick={onClose}>
          {t('shortcuts.close')}
        </button>
      </div>
    </DialogFrame>
  );
};
